import '@fontsource-variable/inter/wght.css';
import '@fontsource-variable/jetbrains-mono/wght.css';
import './theme/tokens.css';
import './theme/base.css';
import './theme/controls.css';
import './theme/panels.css';
import './theme/overlays.css';
import './app/shell.css';

/** Resolves when what stands in index.html was painted. A window that is hidden paints nothing: it is not waited for. */
const painted = new Promise<void>((resolve) => {
  requestAnimationFrame(() => setTimeout(resolve));
  setTimeout(resolve, 100);
});

// To run the page's script takes longer than to paint the first picture, so the picture comes first.
void painted.then(() => import('./start'));
