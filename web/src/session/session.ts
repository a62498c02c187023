// Who uses this page: one `Parlor` from signing in to signing out. The cookie that the server sets says who it is; the page never
// sees the token.
import { logout, Parlor } from '@parlor/client';
import { useCallback, useState } from 'react';
import { go } from '../route.js';

export interface Session {
  parlor: Parlor;
  /** Counts lives: another one has another client. */
  life: number;
  /** Somebody has signed in: the cookie is there now. */
  begin: () => void;
  end: () => Promise<void>;
}

function storage(): Storage | undefined {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}

function client(): Parlor {
  const kept = storage();
  return new Parlor(kept ? { storage: kept } : {});
}

export function useSession(): Session {
  const [{ parlor, life }, live] = useState(() => ({ parlor: client(), life: 0 }));
  const begin = useCallback(() => live(({ life }) => ({ parlor: client(), life: life + 1 })), []);
  const end = useCallback(async () => {
    await logout(location.origin).catch(() => undefined); // signed out already, or away: the page forgets either way
    go('/', { replace: true });
    begin();
  }, [begin]);
  return { parlor, life, begin, end };
}
