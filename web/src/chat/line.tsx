// One message, with what stands before it. It does not know the conversation: whatever it needs is given, so that it is drawn anew
// only when that changes.
import type { Drawing, Message, User } from '@parlor/client';
import { memo, useState, type FocusEvent } from 'react';
import { DrawingView } from '../draw/view.js';
import { gist, noteOf } from '../list/naming.js';
import { UserAvatar } from '../ui/avatar.js';
import { dayOf, timeOf, wholeTime } from '../ui/time.js';
import type { Acts } from './acts.js';
import { Reactions } from './reactions.js';
import type { Line } from './rows.js';
import { Text } from './text.js';
import { Toolbar } from './toolbar.js';

interface Props {
  line: Line;
  me: User | null;
  /** May delete what others wrote. */
  moderates: boolean;
  /** Members who have read it; -1 when it is not told. */
  readers: number;
  /** How many others there are. */
  others: number;
  mentioned: readonly User[];
  /** It was jumped to. */
  marked: boolean;
  emoji: readonly string[];
  acts: Acts;
  /** What a message of this conversation says, for the quote of one that is on its way. */
  find: (id: string) => Message | undefined;
}

export const MessageLine = memo(function MessageLine(props: Props) {
  const { line } = props;
  return (
    <div className={line.continues ? 'line continues' : 'line'}>
      {line.newDay && (
        <div className="day" role="separator" aria-label={dayOf(line.createdAt)} data-testid="day">
          <span>{dayOf(line.createdAt)}</span>
        </div>
      )}
      {line.firstUnread && (
        <div className="unread-divider" role="separator" aria-label="New messages" data-testid="unread-divider">
          <span>New</span>
        </div>
      )}
      {line.message?.type === 'system' ? <Note message={line.message} /> : <Bubble {...props} />}
    </div>
  );
});

function Note({ message }: { message: Message }) {
  return (
    <p className="note" data-testid="message" data-message-id={message.id} data-seq={message.seq} data-type="system" data-status="done">
      <span>{noteOf(message)}</span> <time dateTime={message.createdAt}>{timeOf(message.createdAt)}</time>
    </p>
  );
}

function Bubble({ line, me, moderates, readers, others, mentioned, marked, emoji, acts, find }: Props) {
  const { message, pending } = line;
  const [active, setActive] = useState(false);
  const sender = message?.sender ?? me;
  const status = pending?.status ?? 'done';
  const left = (event: FocusEvent) => event.currentTarget.contains(event.relatedTarget) || setActive(false);
  const calls = me !== null && message?.mentions.includes(me.id) === true;
  const classes = ['message', line.own && 'own', marked && 'marked', calls && 'calls', status === 'sending' && 'sending', active && 'active'];
  return (
    <article
      className={classes.filter(Boolean).join(' ')}
      tabIndex={-1}
      aria-label={`${sender?.displayName ?? ''}, ${timeOf(line.createdAt)}`}
      data-testid="message"
      data-message-id={message?.id}
      data-client-id={message?.clientId ?? pending?.clientId}
      data-seq={message?.seq}
      data-type={message?.type ?? pending?.type}
      data-status={status}
      data-own={line.own}
      onPointerEnter={() => setActive(true)}
      onPointerLeave={(event) => event.pointerType === 'mouse' && !event.currentTarget.contains(document.activeElement) && setActive(false)}
      onFocus={() => setActive(true)}
      onBlur={left}
    >
      <div className="gutter">
        {line.continues ? (
          <time className="side-time" dateTime={line.createdAt} title={wholeTime(line.createdAt)}>
            {timeOf(line.createdAt)}
          </time>
        ) : (
          sender && <UserAvatar user={sender} />
        )}
      </div>
      <div className="body">
        {!line.continues && (
          <header className="by">
            <strong>{sender?.displayName}</strong>
            <time dateTime={line.createdAt} title={wholeTime(line.createdAt)}>
              {timeOf(line.createdAt)}
            </time>
          </header>
        )}
        <Answered line={line} find={find} onJump={acts.jump} />
        <Content line={line} mentioned={mentioned} me={me?.id} />
        {message?.editedAt && !message.deletedAt && (
          <span className="edited" data-testid="message-edited" title={wholeTime(message.editedAt)}>
            edited
          </span>
        )}
        {line.own && message && !message.deletedAt && readers >= 0 && <Receipt readers={readers} others={others} />}
        {pending && <Way line={line} acts={acts} />}
        {message && message.reactions.length > 0 && <Reactions message={message} me={me?.id} onReact={acts.react} />}
      </div>
      {active && message && !message.deletedAt && (
        <Toolbar message={message} own={line.own} moderates={moderates} emoji={emoji} me={me?.id} acts={acts} />
      )}
    </article>
  );
}

function Content({ line: { message, pending }, mentioned, me }: { line: Line; mentioned: readonly User[]; me: string | undefined }) {
  if (message?.deletedAt) {
    return (
      <p className="text deleted" data-testid="message-deleted">
        [Message deleted]
      </p>
    );
  }
  const { type, content } = message ?? pending ?? { type: 'text', content: '' };
  if (type === 'image' && typeof content === 'string') return <Picture url={content} />;
  if (type === 'drawing') return <DrawingView drawing={content as unknown as Drawing} />;
  return <Text text={typeof content === 'string' ? content : ''} mentioned={mentioned} me={me} />;
}

/** The height is the same before and after it is there: what is below stays where it is. */
function Picture({ url }: { url: string }) {
  const own = /^\/uploads\/[A-Za-z0-9._-]+$/.test(url);
  if (!own) return <p className="text quiet">An image of elsewhere: {url}</p>;
  return (
    <a className="picture" href={url} target="_blank" rel="noopener noreferrer" data-testid="image">
      <img src={url} alt="Shared image" height={220} loading="lazy" decoding="async" />
    </a>
  );
}

function Answered({ line, find, onJump }: { line: Line; find: Props['find']; onJump: (id: string) => void }) {
  const id = line.message?.replyToId ?? line.pending?.replyToId;
  if (!id || line.message?.deletedAt) return null;
  const quote = line.message?.replyTo;
  const original = line.message ? undefined : find(id);
  const name = quote?.sender.displayName ?? original?.sender.displayName;
  if (name === undefined) return <p className="quote gone">A message that is no longer there</p>;
  const words = quote ? gist({ type: quote.type, content: quote.preview, deletedAt: null }) : original ? gist(original) : '';
  return (
    <button type="button" className="quote" data-testid="quote" onClick={() => onJump(id)}>
      <strong>{name}</strong> <span>{words}</span>
    </button>
  );
}

function Receipt({ readers, others }: { readers: number; others: number }) {
  const all = others > 0 && readers >= others;
  const words = readers === 0 ? 'Sent' : others <= 1 ? 'Read' : all ? 'Read by all' : `Read by ${readers}`;
  return (
    <span className={readers > 0 ? 'receipt read' : 'receipt'} data-testid="receipt" data-read={readers} title={words}>
      <span aria-hidden="true">{readers > 0 ? '✓✓' : '✓'}</span>
      <span className="unseen">{words}</span>
    </span>
  );
}

/** One's own that is on its way, or could not be sent. */
function Way({ line: { pending }, acts }: { line: Line; acts: Acts }) {
  if (!pending) return null;
  if (pending.status === 'failed') {
    return (
      <p className="way failed" role="alert">
        Not sent: {pending.error?.message ?? 'refused'}.{' '}
        <button type="button" className="link" onClick={() => acts.retry(pending.clientId)}>
          Retry
        </button>{' '}
        <button type="button" className="link" onClick={() => acts.discard(pending.clientId)}>
          Discard
        </button>
      </p>
    );
  }
  const waits = pending.error?.code === 'RATE_LIMITED';
  return <p className="way">{waits ? 'Waits: slow mode …' : pending.status === 'sending' ? 'Sending …' : ''}</p>;
}
