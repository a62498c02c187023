// The banner that says where the connection stands, when it does not stand.
import type { ConnectionState } from '@parlor/client';
import { useConnection, useParlor } from '@parlor/client/react';
import { useEffect, useState } from 'react';

/** What to tell, in words; null while there is nothing to worry about. */
export function words(state: ConnectionState, now: number, online: boolean): string | null {
  switch (state.status) {
    case 'connected':
      return null;
    case 'connecting': {
      if (!online) return 'You are offline. What you write is sent when you are back.';
      if (state.retryAt === null) return state.reason === 'initial' && state.failures === 0 ? null : 'Reconnecting …';
      const seconds = Math.max(1, Math.ceil((state.retryAt - now) / 1000));
      return `The connection is lost. Reconnecting in ${seconds} s; what you write is sent then.`;
    }
    case 'disconnected':
      if (state.reason === 'revoked') return 'An administrator ended this session.';
      if (state.reason === 'protocol') return 'This page and the server do not understand each other. Reload the page.';
      return state.reason === 'initial' || state.reason === 'closed' ? null : 'Not connected.';
  }
}

export function ConnectionBanner() {
  const parlor = useParlor();
  const state = useConnection();
  const [now, setNow] = useState(Date.now);
  const waiting = state.status === 'connecting' && state.retryAt !== null;
  useEffect(() => {
    if (!waiting) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [waiting, state]);

  const said = words(state, now, navigator.onLine);
  return (
    <div className="connection" data-testid="connection" data-status={state.status} role="status" aria-live="polite" aria-atomic="true">
      {said !== null && (
        <p className={state.status === 'disconnected' ? 'banner bad' : 'banner'}>
          {/* The countdown is for the eye; a screen reader hears that it is lost, not every second. */}
          <span aria-hidden={waiting}>{said}</span>
          {waiting && <span className="unseen">The connection is lost; reconnecting.</span>}
          {state.status === 'disconnected' && (
            <button type="button" className="small" onClick={() => parlor.connect().catch(() => undefined)}>
              Connect
            </button>
          )}
        </p>
      )}
    </div>
  );
}
