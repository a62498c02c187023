// The panel for channels: find one and join it, or make one.
import type { Channel } from '@parlor/client';
import { ParlorError } from '@parlor/client';
import { useParlor } from '@parlor/client/react';
import { useEffect, useState, type FormEvent } from 'react';
import { tellError } from '../ui/notice.js';
import type { PanelProps } from './new-kinds.js';

export function NewChannel({ onDone }: PanelProps) {
  const parlor = useParlor();
  const [query, setQuery] = useState('');
  const [channels, setChannels] = useState<Channel[] | null>(null);
  const [locked, setLocked] = useState<Channel | null>(null);

  useEffect(() => {
    let over = false;
    const ask = () => parlor.channels(query.trim()).then((found) => over || setChannels(found), tellError);
    const timer = setTimeout(ask, query === '' ? 0 : 200);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [parlor, query]);

  function choose(channel: Channel) {
    if (channel.joined) onDone(channel.id);
    else if (channel.hasPassword) setLocked(channel);
    else parlor.join(channel.id).then((joined) => onDone(joined.id), tellError);
  }

  function create(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get('name')).trim();
    parlor.create({ kind: 'channel', name }).then((made) => onDone(made.id), tellError);
  }

  return (
    <>
      <label className="field">
        <span>Find a channel</span>
        <input type="search" value={query} onChange={(event) => setQuery(event.target.value)} data-autofocus autoComplete="off" />
      </label>
      <ul className="results">
        {(channels ?? []).map((channel) => (
          <li key={channel.id} className="result" data-testid="channel-result" data-conversation-id={channel.id}>
            <span className="result-name"># {channel.name}</span>
            <span className="quiet">
              {channel.memberCount} {channel.memberCount === 1 ? 'member' : 'members'}
              {channel.hasPassword ? ' · password' : ''}
            </span>
            <button type="button" className="small" onClick={() => choose(channel)}>
              {channel.joined ? 'Open' : 'Join'}
            </button>
          </li>
        ))}
      </ul>
      {channels?.length === 0 && <p className="quiet">No channel of that name.</p>}
      {locked && <Unlock channel={locked} onDone={onDone} />}
      <form onSubmit={create} className="inline-form">
        <label className="field">
          <span>Name</span>
          <input name="name" required maxLength={100} autoComplete="off" />
        </label>
        <button className="primary">Create channel</button>
      </form>
    </>
  );
}

function Unlock({ channel, onDone }: { channel: Channel } & PanelProps) {
  const parlor = useParlor();
  const [error, setError] = useState<string | null>(null);

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const password = String(new FormData(event.currentTarget).get('password'));
    parlor.join(channel.id, { password }).then(
      (joined) => onDone(joined.id),
      (thrown) => setError(ParlorError.from(thrown).message),
    );
  }

  return (
    <form onSubmit={submit} className="inline-form">
      <label className="field">
        <span>Password of #{channel.name}</span>
        <input name="password" type="password" required autoFocus autoComplete="off" />
      </label>
      <button className="primary">Join</button>
      {error !== null && (
        <p className="refusal" role="alert">
          {error}
        </p>
      )}
    </form>
  );
}
