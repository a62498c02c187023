// What can be done with the message under the pointer or the focus. The emoji take the place of the buttons.
import type { Message } from '@parlor/client';
import { useEffect, useRef, useState } from 'react';
import { EditIcon, EyeIcon, ReplyIcon, SmileIcon, TrashIcon } from '../ui/icons.js';
import type { Acts } from './acts.js';
import { pictureOf } from './emoji.js';

interface Props {
  message: Message;
  own: boolean;
  moderates: boolean;
  emoji: readonly string[];
  me: string | undefined;
  acts: Acts;
}

export function Toolbar({ message, own, moderates, emoji, me, acts }: Props) {
  const [reacting, setReacting] = useState(false);
  const menu = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (reacting) menu.current?.querySelector('button')?.focus();
  }, [reacting]);

  if (reacting) {
    const mine = (name: string) => message.reactions.some((one) => one.emoji === name && me !== undefined && one.userIds.includes(me));
    return (
      <div
        className="toolbar"
        role="menu"
        aria-label="React"
        ref={menu}
        onKeyDown={(event) => {
          const buttons = [...(menu.current?.querySelectorAll('button') ?? [])];
          const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
          if (event.key === 'Escape') setReacting(false);
          else if (step !== 0) buttons[(buttons.indexOf(document.activeElement as HTMLButtonElement) + step + buttons.length) % buttons.length]?.focus();
          else return;
          event.preventDefault();
          event.stopPropagation();
        }}
      >
        {emoji.map((name) => (
          <button
            key={name}
            type="button"
            role="menuitem"
            aria-label={name}
            title={name}
            className={mine(name) ? 'emoji chosen' : 'emoji'}
            onClick={() => {
              setReacting(false);
              acts.react(message, name, !mine(name));
            }}
          >
            {pictureOf(name)}
          </button>
        ))}
      </div>
    );
  }

  return (
    <div className="toolbar" role="group" aria-label="Actions">
      {emoji.length > 0 && (
        <button type="button" aria-label="React" title="React" onClick={() => setReacting(true)}>
          <SmileIcon />
        </button>
      )}
      <button type="button" aria-label="Reply" title="Reply" onClick={() => acts.reply(message)}>
        <ReplyIcon />
      </button>
      {own && message.type === 'text' && (
        <button type="button" aria-label="Edit" title="Edit" onClick={() => acts.edit(message)}>
          <EditIcon />
        </button>
      )}
      {own && (
        <button type="button" aria-label="Read by" title="Read by" onClick={() => acts.readers(message)}>
          <EyeIcon />
        </button>
      )}
      {(own || moderates) && (
        <button type="button" aria-label="Delete" title="Delete" onClick={() => acts.remove(message)}>
          <TrashIcon />
        </button>
      )}
    </div>
  );
}
