// Where the page begins.
import { createRoot } from 'react-dom/client';
import { App } from './app.js';
import { applyTheme } from './theme.js';
import './style/index.css';

applyTheme();
createRoot(document.getElementById('root') as HTMLElement).render(<App />);
