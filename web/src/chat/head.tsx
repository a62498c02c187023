// The head of a conversation: who or what it is, who is there, and the ways to its details.
import type { ConversationSnapshot, User } from '@parlor/client';
import { usePresence } from '@parlor/client/react';
import { useMemo } from 'react';
import { titleOf } from '../list/naming.js';
import { go, pathOf } from '../route.js';
import { Avatar, UserAvatar } from '../ui/avatar.js';
import { BackIcon, InfoIcon, SearchIcon } from '../ui/icons.js';
import { ago } from '../ui/time.js';

interface Props {
  snapshot: ConversationSnapshot;
  me: User | null;
  details: boolean;
  onDetails: () => void;
  onSearch: () => void;
}

export function Head({ snapshot, me, details, onDetails, onSearch }: Props) {
  const { view, viewers, members, id } = snapshot;
  const count = members.length || (view?.memberCount ?? 0);
  const title = titleOf(view);
  const here = viewers.filter((user) => user.id !== me?.id).length;
  return (
    <header className="chat-head">
      <button type="button" className="round back" aria-label="Back" title="Back" onClick={() => go(pathOf(null))}>
        <BackIcon />
      </button>
      {view?.otherUser ? <UserAvatar user={view.otherUser} size="small" /> : <Avatar id={id} name={title} size="small" square />}
      <div className="chat-names">
        <h2 data-testid="chat-title">
          {view?.kind === 'channel' ? '# ' : ''}
          {title}
        </h2>
        <p className="quiet">
          {view?.otherUser ? <Seen id={view.otherUser.id} /> : view ? `${count} ${count === 1 ? 'member' : 'members'}` : ''}
          {here > 0 ? ` · ${here} looking` : ''}
        </p>
      </div>
      <button type="button" className="round" aria-label="Search in this conversation" title="Search in this conversation" onClick={onSearch}>
        <SearchIcon />
      </button>
      <button type="button" className="round" aria-label="Details" title="Details" aria-expanded={details} onClick={onDetails}>
        <InfoIcon />
      </button>
    </header>
  );
}

function Seen({ id }: { id: string }) {
  const seen = usePresence(useMemo(() => [id], [id])).get(id);
  if (!seen) return null;
  return <>{seen.online ? 'online' : seen.lastSeenAt ? `last seen ${ago(seen.lastSeenAt)}` : 'offline'}</>;
}
