// A conversation: its head, its messages, what is being written; its details at the side.
import type { Message } from '@parlor/client';
import { useConversation, useParlor, useUser } from '@parlor/client/react';
import { useCallback, useEffect, useMemo, useRef, useState, type DragEvent } from 'react';
import { Details } from '../details/details.js';
import { go, pathOf } from '../route.js';
import { Confirm } from '../ui/dialog.js';
import { tellError } from '../ui/notice.js';
import type { Acts } from './acts.js';
import { Composer, type Mode } from './composer.js';
import { Head } from './head.js';
import { Messages, type Jump } from './messages.js';
import { useOpening } from './opening.js';
import { ReadBy } from './read-by.js';
import { linesOf } from './rows.js';
import { Typing } from './typing.js';
import { Uploads, useUploads } from './uploads.js';

interface Props {
  id: string;
  /** A message of it to be shown. */
  target: Jump | null;
  onSearch: () => void;
}

const GONE = {
  left: 'You have left this conversation.',
  removed: 'This conversation is not yours, or you were removed from it.',
  deleted: 'This conversation was deleted.',
};

export function Chat({ id, target, onSearch }: Props) {
  const parlor = useParlor();
  const me = useUser();
  const snapshot = useConversation(id);
  const { conversation, status, messages, pending, hasNewer } = snapshot;
  const opening = useOpening(conversation, snapshot);
  const uploads = useUploads(conversation);
  const [mode, setMode] = useState<Mode>({ kind: 'new' });
  const [details, setDetails] = useState(false);
  const [doomed, setDoomed] = useState<Message | null>(null);
  const [asked, setAsked] = useState<Message | null>(null);
  const [jump, setJump] = useState<Jump | null>(null);
  const [dragged, setDragged] = useState(false);
  const jumps = useRef(0);

  const jumpTo = useCallback(
    async (messageId: string) => {
      try {
        if (!conversation.getSnapshot().messages.some((message) => message.id === messageId)) await conversation.jumpTo(messageId);
        setJump({ messageId, count: ++jumps.current });
      } catch (error) {
        tellError(error);
      }
    },
    [conversation],
  );
  useEffect(() => {
    if (target && opening.open) void jumpTo(target.messageId);
  }, [target, opening.open, jumpTo]);

  const acts = useMemo<Acts>(
    () => ({
      reply: (message) => setMode({ kind: 'reply', to: message }),
      edit: (message) => setMode({ kind: 'edit', message }),
      remove: setDoomed,
      react: (message, emoji, on) => conversation.react(message, emoji, on).catch(tellError),
      readers: setAsked,
      jump: (messageId) => void jumpTo(messageId),
      retry: (clientId) => conversation.retry(clientId),
      discard: (clientId) => conversation.discard(clientId),
    }),
    [conversation, jumpTo],
  );

  const { unreadAfter } = opening;
  const shown = hasNewer ? NONE : pending;
  const lines = useMemo(() => linesOf({ messages, pending: shown, me, unreadAfter }), [messages, shown, me, unreadAfter]);
  const emoji = parlor.reactions;

  function sent() {
    opening.done();
    if (conversation.getSnapshot().hasNewer) conversation.jumpToNewest();
  }

  function dropped(event: DragEvent) {
    event.preventDefault();
    setDragged(false);
    uploads.add([...event.dataTransfer.files]);
  }

  if (status === 'removed') {
    return (
      <div className="centre" data-testid="chat" data-conversation-id={id}>
        <p className="quiet">{GONE[snapshot.removedBecause ?? 'removed']}</p>
        <button type="button" onClick={() => go(pathOf(null))}>
          Back to the list
        </button>
      </div>
    );
  }

  return (
    <div className={details ? 'chat with-details' : 'chat'} data-testid="chat" data-conversation-id={id}>
      <section
        className="chat-main"
        aria-label="Messages and writing"
        onDragOver={(event) => {
          if (!event.dataTransfer.types.includes('Files')) return;
          event.preventDefault();
          setDragged(true);
        }}
        onDragLeave={(event) => event.currentTarget.contains(event.relatedTarget as Node | null) || setDragged(false)}
        onDrop={dropped}
      >
        <Head snapshot={snapshot} me={me} details={details} onDetails={() => setDetails(!details)} onSearch={onSearch} />
        {opening.open && lines.length > 0 ? (
          <Messages snapshot={snapshot} conversation={conversation} lines={lines} me={me} emoji={emoji} acts={acts} jump={jump} />
        ) : (
          <p className="centre quiet messages-frame">{opening.open ? 'Nothing was said yet. Say hello.' : 'Loading …'}</p>
        )}
        <Typing typers={snapshot.typers} me={me?.id} />
        <Uploads uploads={uploads} />
        <Composer
          key={id}
          conversation={conversation}
          members={snapshot.members}
          messages={messages}
          me={me}
          mode={mode}
          onMode={setMode}
          onSent={sent}
          onImages={uploads.add}
        />
        {dragged && <div className="drop-here">Drop an image to send it</div>}
      </section>
      {details && <Details snapshot={snapshot} conversation={conversation} me={me} onClose={() => setDetails(false)} />}
      {doomed && (
        <Confirm
          question="Delete this message for everybody?"
          deed="Delete"
          onDo={() => conversation.delete(doomed).catch(tellError)}
          onClose={() => setDoomed(null)}
        />
      )}
      {asked && <ReadBy conversation={conversation} message={asked} onClose={() => setAsked(null)} />}
    </div>
  );
}

const NONE: never[] = [];
