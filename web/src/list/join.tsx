// Joining by an invite code, typed in or come by a link.
import { ParlorError } from '@parlor/client';
import { useParlor } from '@parlor/client/react';
import { useState, type FormEvent } from 'react';
import type { PanelProps } from './new-kinds.js';

/** The code in what was pasted: a whole link, or the code itself. */
export function codeOf(pasted: string): string {
  return (/\/join\/([^/?#\s]+)/.exec(pasted)?.[1] ?? pasted).trim();
}

export function JoinByCode({ onDone, inviteCode }: PanelProps & { inviteCode: string | undefined }) {
  const parlor = useParlor();
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const password = String(data.get('password'));
    setBusy(true);
    setError(null);
    parlor.joinByCode(codeOf(String(data.get('code'))), password === '' ? {} : { password }).then(
      (joined) => onDone(joined.id),
      (thrown) => {
        setBusy(false);
        setError(explain(ParlorError.from(thrown)));
      },
    );
  }

  return (
    <form onSubmit={submit} className="stack">
      <label className="field">
        <span>Invite code</span>
        <input name="code" required defaultValue={inviteCode} data-autofocus autoComplete="off" spellCheck={false} />
      </label>
      <label className="field">
        <span>Password</span>
        <input name="password" type="password" autoComplete="off" placeholder="if it has one" />
      </label>
      {error !== null && (
        <p className="refusal" role="alert">
          {error}
        </p>
      )}
      <div className="actions">
        <button className="primary" disabled={busy}>
          Join
        </button>
      </div>
    </form>
  );
}

function explain({ code, message }: ParlorError): string {
  if (code === 'NOT_FOUND') return 'There is nothing behind this code: it may have been replaced.';
  if (code === 'FORBIDDEN') return 'That password is not right.';
  if (code === 'ROOM_FULL') return 'There is no room left in it.';
  if (code === 'RATE_LIMITED') return 'Too many attempts. Try again in a minute.';
  return message;
}
