import { createRoot } from 'react-dom/client';

import { App } from './app/App';
import { openPlatform } from './platform';

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no root');
void openPlatform().then((platform) => createRoot(root).render(<App platform={platform} />));
