// The list of messages: only what is in sight is drawn. It opens where it should, keeps its place while older pages come, and follows
// the end only from the end. Where it stands is decided in `place.ts`; a jump to elsewhere begins a new list there.
import type { Conversation, ConversationSnapshot, Message, User } from '@parlor/client';
import { forwardRef, useCallback, useEffect, useMemo, useRef, useState, type HTMLAttributes, type KeyboardEvent } from 'react';
import { Virtuoso } from 'react-virtuoso';
import { gist } from '../list/naming.js';
import { DownIcon } from '../ui/icons.js';
import { tellError } from '../ui/notice.js';
import type { Acts } from './acts.js';
import { SETTLES_MS, useEnd } from './end.js';
import { MessageLine } from './line.js';
import { newBelow, shift, startOf, type Start } from './place.js';
import { usePresent } from './present.js';
import type { Line } from './rows.js';

/** Far from 0, which older pages count down to. */
const BASE = 1_000_000;
/** So many lines before the first one the next page is asked for. */
const AHEAD = 40;
const PAGE = 100;
const NOBODY: readonly User[] = [];

export interface Jump {
  messageId: string;
  count: number;
}

interface Props {
  snapshot: ConversationSnapshot;
  conversation: Conversation;
  lines: readonly Line[];
  me: User | null;
  emoji: readonly string[];
  acts: Acts;
  jump: Jump | null;
}

interface Standing {
  lines: readonly Line[];
  base: number;
  stretch: number;
  start: Start;
  jump: Jump | null;
}

/** Where the list stands; another `stretch` is another list. */
function useStanding(lines: readonly Line[], jump: Jump | null): Standing {
  const ref = useRef<Standing | null>(null);
  const target = jump ? lines.findIndex(({ message }) => message?.id === jump.messageId) : -1;
  const begin = (start: Start, stretch: number): Standing => ({ lines, base: BASE, stretch, start, jump });
  const to = (index: number): Start => ({ at: 'line', index, align: 'center' });
  const before = ref.current;
  if (before === null) ref.current = begin(target >= 0 ? to(target) : startOf(lines), 0);
  else if (jump !== before.jump && target >= 0) ref.current = begin(to(target), before.stretch + 1);
  else if (lines !== before.lines) {
    const moved = shift(before.lines, lines);
    if (moved === 'other') ref.current = { ...begin({ at: 'end' }, before.stretch + 1), jump: before.jump };
    else ref.current = { ...before, lines, base: before.base + moved };
  }
  return ref.current as Standing;
}

export function Messages(props: Props) {
  const { base, stretch, start } = useStanding(props.lines, props.jump);
  return <Stretch key={stretch} {...props} base={base} start={start} />;
}

function Stretch({ snapshot, conversation, lines, me, emoji, acts, jump, base, start }: Props & Pick<Standing, 'base' | 'start'>) {
  const { hasNewer, hasOlder, members, view, unread } = snapshot;
  const { atEnd, hold, watch, grown } = useEnd(start.at === 'end');
  const [shownUpTo, setShownUpTo] = useState<number | null>(null);
  const present = usePresent();
  const last = lines.at(-1);

  // Pages are asked for before their place is in sight, so that what they change is out of sight; and only once the list has come to
  // where it begins: what is put before that place meanwhile would move it.
  const [near, setNear] = useState({ start: false, end: false });
  const settled = useSettled();
  const [first, newest] = [lines[0]?.key, last?.key];
  useEffect(() => {
    if (settled && near.start && hasOlder) conversation.loadOlder(PAGE).catch(tellError);
  }, [conversation, settled, near.start, hasOlder, first]);
  useEffect(() => {
    if (settled && near.end && hasNewer) conversation.loadNewer(PAGE).catch(tellError);
  }, [conversation, settled, near.end, hasNewer, newest]);

  // What one writes oneself is followed from wherever one stands.
  const writes = last?.pending ? last.key : null;
  useEffect(() => {
    if (writes !== null) hold();
  }, [writes, hold]);

  // What was in sight counts as read, while somebody looks.
  const follow = atEnd && !hasNewer;
  const upTo = follow ? last?.message?.seq : shownUpTo === null ? undefined : lines[shownUpTo - base]?.message?.seq;
  useEffect(() => {
    if (!present || unread === 0) return;
    if (follow) conversation.markRead();
    else if (upTo !== undefined) conversation.markRead(upTo);
  }, [conversation, present, follow, upTo, unread]);

  const seen = useSeen(lines, follow);
  const below = hasNewer ? 0 : newBelow(lines, seen);
  const said = useAnnouncement(lines, hasNewer);

  const toEnd = useCallback(() => {
    if (hasNewer) conversation.jumpToNewest();
    else hold();
  }, [conversation, hasNewer, hold]);

  const byId = useMemo(() => new Map(members.map(({ user }) => [user.id, user])), [members]);
  const mentioned = (message: Message | null) =>
    !message || message.mentions.length === 0 ? NOBODY : message.mentions.flatMap((id) => byId.get(id) ?? []);
  const find = useCallback((id: string) => conversation.get(id), [conversation]);
  const moderates = view?.kind !== 'direct' && (view?.role === 'owner' || view?.role === 'admin');
  const others = Math.max(0, members.length - 1);

  return (
    <div className="messages-frame" onKeyDown={walk}>
      <Virtuoso
        className="messages"
        data={lines}
        context={{ atEnd: follow, title: 'Messages' }}
        components={COMPONENTS}
        firstItemIndex={base}
        initialTopMostItemIndex={start.at === 'end' ? { index: 'LAST', align: 'end' } : { index: start.index, align: start.align }}
        alignToBottom
        scrollerRef={watch}
        totalListHeightChanged={grown}
        increaseViewportBy={{ top: 800, bottom: 100 }}
        rangeChanged={({ startIndex, endIndex }) => {
          setShownUpTo(endIndex);
          const [start, end] = [startIndex - base < AHEAD, endIndex - base >= lines.length - AHEAD];
          setNear((before) => (before.start === start && before.end === end ? before : { start, end }));
        }}
        computeItemKey={(_, line) => line.key}
        itemContent={(_, line) => (
          <MessageLine
            line={line}
            me={me}
            moderates={moderates}
            readers={line.own && line.message ? conversation.readBy(line.message).length : -1}
            others={others}
            mentioned={mentioned(line.message)}
            marked={jump !== null && line.message?.id === jump.messageId}
            emoji={emoji}
            acts={acts}
            find={find}
          />
        )}
      />
      {below > 0 && !follow ? (
        <button type="button" className="to-end strong" data-testid="new-messages" onClick={toEnd}>
          <DownIcon /> {below === 1 ? '1 new message' : `${below} new messages`}
        </button>
      ) : (
        (hasNewer || !atEnd) &&
        lines.length > 0 && (
          <button type="button" className="to-end" data-testid="jump-to-newest" aria-label="Jump to the newest" title="Jump to the newest" onClick={toEnd}>
            <DownIcon />
          </button>
        )
      )}
      <p className="unseen" role="status" aria-live="polite">
        {said}
      </p>
    </div>
  );
}

interface Shown {
  atEnd: boolean;
  title: string;
}

const Scroller = forwardRef<HTMLDivElement, HTMLAttributes<HTMLDivElement> & { context?: Shown }>(function Scroller({ context, ...props }, ref) {
  return (
    // What is new is told by the status line below: a log that is told by itself would tell old pages too.
    <div
      {...props}
      ref={ref}
      role="log"
      aria-live="off"
      aria-label={context?.title}
      data-testid="messages"
      data-at-end={context?.atEnd}
    />
  );
});

const Foot = () => <div className="messages-foot" />;
const COMPONENTS = { Scroller, Footer: Foot };

/** Arrows walk from message to message; the buttons of the one with the focus are behind Tab. */
function walk(event: KeyboardEvent) {
  if (event.key !== 'ArrowUp' && event.key !== 'ArrowDown') return;
  const here = document.activeElement;
  if (!(here instanceof HTMLElement) || here.closest('[role="menu"]')) return;
  const all = [...event.currentTarget.querySelectorAll<HTMLElement>('article')];
  const at = all.findIndex((article) => article.contains(here));
  const next = at < 0 ? all.at(-1) : all[at + (event.key === 'ArrowUp' ? -1 : 1)];
  if (!next) return;
  event.preventDefault();
  next.focus();
  next.scrollIntoView({ block: 'nearest' });
}

/** Whether the list has been there long enough to stand where it begins. */
function useSettled(): boolean {
  const [settled, setSettled] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(true), SETTLES_MS);
    return () => clearTimeout(timer);
  }, []);
  return settled;
}

/** The key of the last line that was in sight at the end. */
function useSeen(lines: readonly Line[], follow: boolean): string | null {
  const [seen, setSeen] = useState<string | null>(() => lines.at(-1)?.key ?? null);
  const last = lines.at(-1)?.key;
  useEffect(() => {
    if (follow && last !== undefined) setSeen(last);
  }, [follow, last]);
  return seen;
}

/** What a screen reader is told: the newest message of others, when it comes. */
function useAnnouncement(lines: readonly Line[], hasNewer: boolean): string {
  const [said, setSaid] = useState('');
  const known = useRef<number | null>(null);
  const newest = hasNewer ? null : (lines.findLast(({ message }) => message !== null)?.message ?? null);
  useEffect(() => {
    if (!newest) return;
    const fresh = known.current !== null && newest.seq > known.current;
    known.current = Math.max(known.current ?? 0, newest.seq);
    if (fresh && !lines.findLast(({ message }) => message === newest)?.own) setSaid(`${newest.sender.displayName}: ${gist(newest)}`);
  }, [newest, lines]);
  return said;
}
