// Oneself: the name that others see, the colours of the page, signing out.
import type { User } from '@parlor/client';
import { useParlor } from '@parlor/client/react';
import { useState, type FormEvent } from 'react';
import { go } from '../route.js';
import { chooseTheme, theme, THEMES } from '../theme.js';
import { UserAvatar } from '../ui/avatar.js';
import { Dialog } from '../ui/dialog.js';
import { tell, tellError } from '../ui/notice.js';

const NAMES = { system: 'System', light: 'Light', dark: 'Dark' };

export function Account({ me, onClose, onSignOut }: { me: User; onClose: () => void; onSignOut: () => Promise<void> }) {
  const parlor = useParlor();
  const [chosen, setChosen] = useState(theme);

  function save(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const displayName = String(new FormData(event.currentTarget).get('displayName')).trim();
    parlor.users.updateMe({ displayName }).then((user) => {
      parlor.user.set(user);
      tell('Your name is saved.');
    }, tellError);
  }

  return (
    <Dialog title="Account" onClose={onClose}>
      <form onSubmit={save} className="stack">
        <div className="me-large">
          <UserAvatar user={me} size="large" />
          <div>
            <strong>{me.displayName}</strong>
            <p className="quiet">@{me.name}</p>
          </div>
        </div>
        <label className="field">
          <span>Display name</span>
          <input name="displayName" defaultValue={me.displayName} required maxLength={64} />
        </label>
        <div className="actions">
          <button className="primary">Save</button>
        </div>
      </form>
      <fieldset className="segments" role="radiogroup" aria-label="Colours">
        <legend>Colours</legend>
        {THEMES.map((one) => (
          <label key={one}>
            <input
              type="radio"
              name="theme"
              checked={chosen === one}
              onChange={() => {
                chooseTheme(one);
                setChosen(one);
              }}
            />
            <span>{NAMES[one]}</span>
          </label>
        ))}
      </fieldset>
      <div className="actions between">
        <button type="button" className="link" onClick={() => go('/admin')}>
          Server (administrators)
        </button>
        <button type="button" onClick={() => void onSignOut()}>
          Sign out
        </button>
      </div>
    </Dialog>
  );
}
