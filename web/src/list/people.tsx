// Finding people by the beginning of their names.
import type { User } from '@parlor/client';
import { useParlor, usePresence } from '@parlor/client/react';
import { useEffect, useMemo, useState } from 'react';
import { UserAvatar } from '../ui/avatar.js';
import { tellError } from '../ui/notice.js';

interface Props {
  onPick: (user: User) => void;
  /** Those who are picked already: a second pick takes them off. */
  picked?: readonly string[];
  /** Those who cannot be picked. */
  without?: readonly string[];
}

const NOBODY: readonly string[] = [];

export function People({ onPick, picked, without = NOBODY }: Props) {
  const parlor = useParlor();
  const [query, setQuery] = useState('');
  const [users, setUsers] = useState<User[] | null>(null);
  const presence = usePresence(useMemo(() => (users ?? []).map(({ id }) => id), [users]));

  useEffect(() => {
    let over = false;
    const timer = setTimeout(
      () => parlor.users.search(query.trim().replace(/^@/, '')).then((found) => over || setUsers(found), tellError),
      query === '' ? 0 : 200,
    );
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [parlor, query]);

  const shown = (users ?? []).filter(({ id }) => !without.includes(id) && id !== parlor.user.getSnapshot()?.id);
  return (
    <div className="people">
      <label className="field">
        <span>Find people</span>
        <input type="search" value={query} onChange={(event) => setQuery(event.target.value)} data-autofocus autoComplete="off" />
      </label>
      <ul className="results">
        {shown.map((user) => (
          <li key={user.id}>
            <button
              type="button"
              className="result"
              data-testid="user-result"
              data-user-id={user.id}
              aria-pressed={picked?.includes(user.id)}
              onClick={() => onPick(user)}
            >
              <span className="face">
                <UserAvatar user={user} size="small" />
                <span className="presence" data-online={presence.get(user.id)?.online === true} />
              </span>
              <span className="result-name">{user.displayName}</span>
              <span className="quiet">@{user.name}</span>
              {picked && <span className="tick">{picked.includes(user.id) ? '✓' : ''}</span>}
            </button>
          </li>
        ))}
      </ul>
      {users && shown.length === 0 && <p className="quiet">Nobody of that name.</p>}
    </div>
  );
}
