// Panels of the dialog `New conversation`: a person, a group, a room.
import type { User } from '@parlor/client';
import { useParlor } from '@parlor/client/react';
import { useState, type FormEvent } from 'react';
import { tellError } from '../ui/notice.js';
import { People } from './people.js';

export interface PanelProps {
  onDone: (conversationId: string) => void;
}

export function Person({ onDone }: PanelProps) {
  const parlor = useParlor();
  return <People onPick={({ id }) => parlor.openDirect(id).then((made) => onDone(made.id), tellError)} />;
}

export function NewGroup({ onDone }: PanelProps) {
  const parlor = useParlor();
  const [members, setMembers] = useState<User[]>([]);
  const ids = members.map(({ id }) => id);

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get('name')).trim();
    parlor.create({ kind: 'group', name, memberIds: ids }).then((made) => onDone(made.id), tellError);
  }

  function toggle(user: User) {
    setMembers(ids.includes(user.id) ? members.filter(({ id }) => id !== user.id) : [...members, user]);
  }

  return (
    <form onSubmit={submit} className="stack">
      <label className="field">
        <span>Name</span>
        <input name="name" required maxLength={100} data-autofocus autoComplete="off" />
      </label>
      <People onPick={toggle} picked={ids} />
      <p className="quiet" aria-live="polite">
        {members.length === 0 ? 'Members can be added later too.' : members.map(({ displayName }) => displayName).join(', ')}
      </p>
      <div className="actions">
        <button className="primary">Create group</button>
      </div>
    </form>
  );
}

export function NewRoom({ onDone }: PanelProps) {
  const parlor = useParlor();

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const name = String(data.get('name')).trim();
    const password = String(data.get('password'));
    parlor.create({ kind: 'room', ...(name && { name }), ...(password && { password }) }).then((made) => onDone(made.id), tellError);
  }

  return (
    <form onSubmit={submit} className="stack">
      <p className="quiet">
        A room is private and passes: up to 16 people who have its invite link; messages are kept for two days; when its owner leaves, it
        ends.
      </p>
      <label className="field">
        <span>Name</span>
        <input name="name" required maxLength={100} data-autofocus autoComplete="off" />
      </label>
      <label className="field">
        <span>Password (optional)</span>
        <input name="password" type="password" maxLength={256} autoComplete="new-password" />
      </label>
      <div className="actions">
        <button className="primary">Create room</button>
      </div>
    </form>
  );
}
