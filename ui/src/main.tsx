import '@fontsource-variable/inter/wght.css';
import '@fontsource-variable/jetbrains-mono/wght.css';
import './theme/tokens.css';
import './theme/base.css';
import './theme/controls.css';
import './theme/panels.css';
import './theme/overlays.css';

import { createRoot } from 'react-dom/client';

import { App } from './app/App';
import { openPlatform } from './platform';

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no root');
void openPlatform().then((platform) => createRoot(root).render(<App platform={platform} />));
