// What a conversation is and who belongs to it: members with their roles, invitations, settings, leaving, deleting. It offers what
// the user's role allows; the server decides.
import type { Conversation, ConversationSnapshot, User } from '@parlor/client';
import { useEffect, useRef, useState } from 'react';
import { People } from '../list/people.js';
import { titleOf } from '../list/naming.js';
import { go, pathOf } from '../route.js';
import { Avatar, UserAvatar } from '../ui/avatar.js';
import { Confirm, Dialog } from '../ui/dialog.js';
import { CloseIcon } from '../ui/icons.js';
import { tellError } from '../ui/notice.js';
import { Invite } from './invite.js';
import { Members } from './members.js';
import { Settings } from './settings.js';

interface Props {
  snapshot: ConversationSnapshot;
  conversation: Conversation;
  me: User | null;
  onClose: () => void;
}

const KINDS = { direct: 'Direct conversation', group: 'Private group', channel: 'Public channel', room: 'Room' };

export function Details({ snapshot, conversation, me, onClose }: Props) {
  const { view, members } = snapshot;
  const [asking, setAsking] = useState<'leave' | 'delete' | null>(null);
  const [adding, setAdding] = useState(false);
  const aside = useRef<HTMLElement>(null);

  // The focus comes here with the panel, and goes back to the button with it.
  useEffect(() => {
    const before = document.activeElement;
    aside.current?.focus();
    return () => {
      if (before instanceof HTMLElement) requestAnimationFrame(() => before.isConnected && before.focus());
    };
  }, []);

  if (!view) return null;
  const manages = view.kind !== 'direct' && (view.role === 'owner' || view.role === 'admin');
  const title = titleOf(view);
  const gone = () => go(pathOf(null));

  return (
    <aside
      ref={aside}
      className="details"
      aria-label="Details"
      tabIndex={-1}
      onKeyDown={(event) => event.key === 'Escape' && !(event.target as HTMLElement).closest('dialog') && onClose()}
    >
      <header className="details-head">
        <h2>Details</h2>
        <button type="button" className="round" aria-label="Close details" onClick={onClose}>
          <CloseIcon />
        </button>
      </header>
      <div className="details-top">
        {view.otherUser ? <UserAvatar user={view.otherUser} size="large" /> : <Avatar id={view.id} name={title} size="large" square />}
        <strong>{title}</strong>
        <span className="quiet">{view.otherUser ? `@${view.otherUser.name}` : KINDS[view.kind]}</span>
      </div>

      <Members members={members} conversation={conversation} me={me} role={view.kind === 'direct' ? 'member' : view.role} />
      {manages && (
        <button type="button" className="wide" onClick={() => setAdding(true)}>
          Add people
        </button>
      )}
      {manages && <Invite view={view} conversation={conversation} />}
      {manages && <Settings view={view} conversation={conversation} />}

      {view.kind !== 'direct' && (
        <section className="stack" aria-label="Ending">
          <button type="button" className="wide" onClick={() => setAsking('leave')}>
            Leave
          </button>
          {view.role === 'owner' && (
            <button type="button" className="wide danger" onClick={() => setAsking('delete')}>
              Delete conversation
            </button>
          )}
        </section>
      )}

      {adding && (
        <Dialog title="Add people" onClose={() => setAdding(false)}>
          <People
            without={members.map(({ user }) => user.id)}
            onPick={({ id }) => conversation.addMember(id).then(() => setAdding(false), tellError)}
          />
        </Dialog>
      )}
      {asking === 'leave' && (
        <Confirm
          question={view.kind === 'room' && view.role === 'owner' ? `Leave ${title}? The room ends for everybody.` : `Leave ${title}?`}
          deed="Leave"
          onDo={() => conversation.leave().then(gone, tellError)}
          onClose={() => setAsking(null)}
        />
      )}
      {asking === 'delete' && (
        <Confirm
          question={`Delete ${title} with all its messages, for everybody?`}
          deed="Delete"
          onDo={() => conversation.destroy().then(gone, tellError)}
          onClose={() => setAsking(null)}
        />
      )}
    </aside>
  );
}
