// Light or dark: what the system says, unless the user chose. The choice is an attribute that the style sheet looks at.
export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const KEY = 'parlor theme';

export function theme(): Theme {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === 'light' || kept === 'dark' ? kept : 'system';
  } catch {
    return 'system'; // storage is forbidden
  }
}

export function applyTheme(chosen: Theme = theme()): void {
  if (chosen === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = chosen;
}

export function chooseTheme(chosen: Theme): void {
  applyTheme(chosen);
  try {
    localStorage.setItem(KEY, chosen);
  } catch {
    // It holds until the page is left.
  }
}
