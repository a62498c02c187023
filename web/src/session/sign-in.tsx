// Signing in, or making an account.
import { login, register, ParlorError } from '@parlor/client';
import { useState, type FormEvent } from 'react';
import { Logo } from '../ui/icons.js';

export function SignIn({ onSignedIn }: { onSignedIn: () => void }) {
  const [fresh, setFresh] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const deed = fresh ? 'Create account' : 'Sign in';

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const username = String(data.get('username')).trim();
    const password = String(data.get('password'));
    const displayName = String(data.get('displayName') ?? '').trim();
    setBusy(true);
    setError(null);
    try {
      if (fresh) await register(location.origin, { username, password, ...(displayName && { displayName }) });
      else await login(location.origin, { username, password });
      onSignedIn();
    } catch (thrown) {
      setError(explain(ParlorError.from(thrown)));
      setBusy(false);
    }
  }

  return (
    <main className="sign-in">
      <form className="card" aria-label={deed} onSubmit={submit}>
        <h1>
          <Logo /> Parlor
        </h1>
        <p className="quiet">{fresh ? 'Choose a name and a password.' : 'Welcome back.'}</p>
        <label className="field">
          <span>Username</span>
          <input name="username" required minLength={2} maxLength={32} autoComplete="username" autoCapitalize="none" spellCheck={false} autoFocus />
        </label>
        {fresh && (
          <label className="field">
            <span>Display name</span>
            <input name="displayName" maxLength={64} autoComplete="name" />
          </label>
        )}
        <label className="field">
          <span>Password</span>
          <input
            name="password"
            type="password"
            required
            minLength={fresh ? 8 : 1}
            autoComplete={fresh ? 'new-password' : 'current-password'}
          />
        </label>
        {error !== null && (
          <p className="refusal" role="alert">
            {error}
          </p>
        )}
        <button className="primary wide" disabled={busy}>
          {deed}
        </button>
        <button type="button" className="link" onClick={() => (setFresh(!fresh), setError(null))}>
          {fresh ? 'I have an account' : 'Create an account'}
        </button>
      </form>
    </main>
  );
}

function explain({ code, message, retryAfterMs }: ParlorError): string {
  if (code === 'UNAUTHORIZED') return 'That name and password do not belong together.';
  if (code === 'CONFLICT') return 'That name is taken.';
  if (code === 'NETWORK') return 'The server cannot be reached.';
  if (code === 'RATE_LIMITED') return `Too many attempts. Try again in ${Math.ceil((retryAfterMs ?? 60_000) / 1000)} s.`;
  return sentence(message);
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');
}
