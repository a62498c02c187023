// Where one writes: Enter sends, Shift+Enter breaks the line, arrow up edits the last message, `@` calls somebody. What is written
// and not sent is kept for each conversation while the page is open.
import type { Conversation, Member, Message, User } from '@parlor/client';
import { useParlor } from '@parlor/client/react';
import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState, type ClipboardEvent, type KeyboardEvent } from 'react';
import { DrawDialog } from '../draw/draw.js';
import { gist } from '../list/naming.js';
import { UserAvatar } from '../ui/avatar.js';
import { ImageIcon, PenIcon, SendIcon } from '../ui/icons.js';
import { tellError } from '../ui/notice.js';
import { begun, candidates, complete } from './mention.js';

export type Mode = { kind: 'new' } | { kind: 'reply'; to: Message } | { kind: 'edit'; message: Message };

interface Props {
  conversation: Conversation;
  members: readonly Member[];
  messages: readonly Message[];
  me: User | null;
  mode: Mode;
  onMode: (mode: Mode) => void;
  onSent: () => void;
  onImages: (files: readonly File[]) => void;
}

const NEW: Mode = { kind: 'new' };
const drafts = new Map<string, string>();
/** Where one writes by touch, Enter breaks the line, and the button sends. */
const hasKeyboard = () => !matchMedia('(pointer: coarse)').matches;

export function Composer({ conversation, members, messages, me, mode, onMode, onSent, onImages }: Props) {
  const parlor = useParlor();
  const field = useRef<HTMLTextAreaElement>(null);
  const files = useRef<HTMLInputElement>(null);
  const listId = useId();
  const [text, setText] = useState(() => drafts.get(conversation.id) ?? '');
  const [caret, setCaret] = useState(0);
  const [drawing, setDrawing] = useState(false);
  const [chosen, setChosen] = useState(0);
  /** A list of names that was closed by Escape stays closed until another one is begun. */
  const [closed, setClosed] = useState<number | null>(null);
  const most = parlor.ready?.limits.textChars ?? 2000;
  const length = [...text.trim()].length;

  const typed = begun(text, caret);
  const users = useMemo(() => members.map(({ user }) => user).filter(({ id }) => id !== me?.id), [members, me]);
  const found = typed && typed.start !== closed ? candidates(users, typed.query) : [];
  const at = Math.min(chosen, found.length - 1);

  useEffect(() => {
    if (mode.kind !== 'edit') drafts.set(conversation.id, text);
  }, [conversation, mode, text]);

  // Writing an answer or an edit begins in the field.
  const before = useRef('');
  useEffect(() => {
    if (mode.kind === 'edit') {
      before.current = drafts.get(conversation.id) ?? '';
      write(String(mode.message.content ?? ''));
    }
    if (mode.kind !== 'new' || hasKeyboard()) field.current?.focus();
    // Only another mode is another beginning.
  }, [mode]);

  // As high as its lines, up to a bound of the style sheet.
  useLayoutEffect(() => {
    const area = field.current;
    if (!area) return;
    area.style.height = 'auto';
    area.style.height = `${area.scrollHeight + 2}px`;
  }, [text]);

  function write(next: string, position = next.length) {
    setText(next);
    setCaret(position);
    requestAnimationFrame(() => field.current?.setSelectionRange(position, position));
  }

  function end(next = '') {
    onMode(NEW);
    write(next);
  }

  function submit() {
    const content = text.trim();
    if (content === '' || length > most) return;
    if (mode.kind === 'edit') {
      const { message } = mode;
      if (content !== message.content) conversation.edit(message, content).catch(tellError);
      end(before.current);
      return;
    }
    conversation.send(content, mode.kind === 'reply' ? { replyTo: mode.to } : {}).catch(() => undefined); // its line says it
    end();
    drafts.delete(conversation.id);
    onSent();
  }

  function pick(user: User) {
    if (!typed) return;
    const done = complete(text, caret, typed, user.name);
    write(done.text, done.caret);
    field.current?.focus();
  }

  function editLast() {
    const mine = messages.findLast((message) => message.sender.id === me?.id && message.type === 'text' && !message.deletedAt);
    if (mine) onMode({ kind: 'edit', message: mine });
  }

  function pressed(event: KeyboardEvent) {
    if (event.nativeEvent.isComposing) return;
    if (found.length > 0 && names(event)) return event.preventDefault();
    if (event.key === 'Enter' && !event.shiftKey && !event.altKey && (hasKeyboard() || event.ctrlKey || event.metaKey)) submit();
    else if (event.key === 'ArrowUp' && text === '' && mode.kind === 'new') editLast();
    else if (event.key === 'Escape' && mode.kind !== 'new') end(mode.kind === 'edit' ? before.current : text);
    else return;
    event.preventDefault();
  }

  /** A key that is for the list of names. */
  function names({ key, shiftKey }: KeyboardEvent): boolean {
    const user = found[at];
    if (key === 'ArrowDown') setChosen((at + 1) % found.length);
    else if (key === 'ArrowUp') setChosen((at - 1 + found.length) % found.length);
    else if (key === 'Escape') setClosed(typed?.start ?? null);
    else if ((key === 'Enter' || key === 'Tab') && !shiftKey && user) pick(user);
    else return false;
    return true;
  }

  function pasted(event: ClipboardEvent) {
    const images = [...event.clipboardData.files].filter(({ type }) => type.startsWith('image/'));
    if (images.length === 0) return;
    event.preventDefault();
    onImages(images);
  }

  return (
    <form
      className="composer"
      aria-label="Write"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      {mode.kind !== 'new' && (
        <div className="mode" data-testid={mode.kind === 'reply' ? 'replying' : 'editing'}>
          <p>
            <strong>{mode.kind === 'reply' ? `Reply to ${mode.to.sender.displayName}` : 'Edit'}</strong>{' '}
            <span className="quiet">{gist(mode.kind === 'reply' ? mode.to : mode.message)}</span>
          </p>
          <button type="button" className="small" onClick={() => end(mode.kind === 'edit' ? before.current : text)}>
            Cancel
          </button>
        </div>
      )}
      {found.length > 0 && (
        <ul className="names" role="listbox" id={listId} aria-label="Mention somebody" data-testid="mention-list">
          {found.map((user, index) => (
            <li
              key={user.id}
              id={`${listId}-${index}`}
              role="option"
              aria-selected={index === at}
              onPointerDown={(event) => {
                event.preventDefault();
                pick(user);
              }}
            >
              <UserAvatar user={user} size="small" />
              <span>{user.displayName}</span>
              <span className="quiet">@{user.name}</span>
            </li>
          ))}
        </ul>
      )}
      <div className="composer-row">
        <button type="button" className="round" aria-label="Attach an image" title="Attach an image" onClick={() => files.current?.click()}>
          <ImageIcon />
        </button>
        <button type="button" className="round" aria-label="Draw" title="Draw" onClick={() => setDrawing(true)}>
          <PenIcon />
        </button>
        <input
          ref={files}
          type="file"
          accept="image/png,image/jpeg,image/gif,image/webp"
          multiple
          hidden
          data-testid="image-input"
          onChange={({ currentTarget }) => {
            onImages([...(currentTarget.files ?? [])]);
            currentTarget.value = '';
          }}
        />
        <textarea
          ref={field}
          rows={1}
          aria-label="Message"
          placeholder="Write a message"
          value={text}
          aria-autocomplete="list"
          aria-controls={found.length > 0 ? listId : undefined}
          aria-activedescendant={found.length > 0 ? `${listId}-${at}` : undefined}
          onChange={({ currentTarget }) => {
            setText(currentTarget.value);
            setCaret(currentTarget.selectionStart);
            setChosen(0);
            setClosed(null);
            if (mode.kind === 'edit') return;
            if (currentTarget.value === '') conversation.stopTyping();
            else conversation.typing();
          }}
          onSelect={({ currentTarget }) => setCaret(currentTarget.selectionStart)}
          onKeyDown={pressed}
          onPaste={pasted}
        />
        <button className="round send" aria-label="Send" title="Send" disabled={length === 0 || length > most}>
          <SendIcon />
        </button>
      </div>
      {length > most * 0.9 && (
        <p className={length > most ? 'refusal' : 'quiet'} role="status">
          {length} of {most} characters
        </p>
      )}
      {drawing && (
        <DrawDialog
          onClose={() => setDrawing(false)}
          onSend={(made) => {
            conversation.send(made, mode.kind === 'reply' ? { replyTo: mode.to } : {}).catch(() => undefined);
            if (mode.kind === 'reply') onMode(NEW);
            onSent();
          }}
        />
      )}
    </form>
  );
}
