// What the address says, and going elsewhere by the History API. The conversation is in the query: the server knows only the
// paths `/`, `/admin` and `/join/<code>`.
import { useSyncExternalStore } from 'react';

export type Route =
  | { page: 'chat'; conversationId: string | null; inviteCode: null }
  | { page: 'join'; conversationId: null; inviteCode: string }
  | { page: 'admin' };

/** What a path and a query mean. */
export function routeOf(path: string, query: string): Route {
  if (/^\/admin\/?$/.test(path)) return { page: 'admin' };
  const code = /^\/join\/([^/]+)\/?$/.exec(path)?.[1];
  if (code !== undefined) return { page: 'join', conversationId: null, inviteCode: decode(code) };
  return { page: 'chat', conversationId: new URLSearchParams(query).get('c'), inviteCode: null };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

const listeners = new Set<() => void>();
let last = { path: '', query: '', route: routeOf('/', '') };

function current(): Route {
  const { pathname: path, search: query } = location;
  if (last.path !== path || last.query !== query) last = { path, query, route: routeOf(path, query) };
  return last.route;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  addEventListener('popstate', listener);
  return () => {
    listeners.delete(listener);
    removeEventListener('popstate', listener);
  };
}

export function useRoute(): Route {
  return useSyncExternalStore(subscribe, current);
}

/** Goes to an address of this page; `replace` leaves no way back to the one before. */
export function go(to: string, { replace = false } = {}): void {
  if (to === location.pathname + location.search) return;
  if (replace) history.replaceState(null, '', to);
  else history.pushState(null, '', to);
  for (const listener of listeners) listener();
}

export function pathOf(conversationId: string | null): string {
  return conversationId === null ? '/' : `/?c=${encodeURIComponent(conversationId)}`;
}
