// The reactions below a message; one's own can be taken back, another's joined.
import type { Message } from '@parlor/client';
import { pictureOf } from './emoji.js';

interface Props {
  message: Message;
  me: string | undefined;
  onReact: (message: Message, emoji: string, on: boolean) => void;
}

export function Reactions({ message, me, onReact }: Props) {
  return (
    <div className="reactions">
      {message.reactions.map(({ emoji, userIds }) => {
        const mine = me !== undefined && userIds.includes(me);
        return (
          <button
            key={emoji}
            type="button"
            className="reaction"
            data-testid="reaction"
            data-emoji={emoji}
            aria-pressed={mine}
            aria-label={`${emoji}, ${userIds.length}`}
            onClick={() => onReact(message, emoji, !mine)}
          >
            <span aria-hidden="true">{pictureOf(emoji)}</span> {userIds.length}
          </button>
        );
      })}
    </div>
  );
}
