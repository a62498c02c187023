// Whether somebody looks at this page: it is in sight and has the focus.
import { useSyncExternalStore } from 'react';

const EVENTS = ['focus', 'blur', 'visibilitychange', 'pageshow'] as const;

function subscribe(listener: () => void): () => void {
  for (const event of EVENTS) addEventListener(event, listener);
  document.addEventListener('visibilitychange', listener);
  return () => {
    for (const event of EVENTS) removeEventListener(event, listener);
    document.removeEventListener('visibilitychange', listener);
  };
}

const isPresent = () => document.visibilityState === 'visible' && document.hasFocus();

export function usePresent(): boolean {
  return useSyncExternalStore(subscribe, isPresent);
}
