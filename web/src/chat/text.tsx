// The text of a message: as text, with mentions and addresses marked. Nothing in it is ever HTML.
import type { User } from '@parlor/client';
import { memo } from 'react';
import { parts } from './mention.js';

interface Props {
  text: string;
  mentioned: readonly User[];
  me: string | undefined;
}

export const Text = memo(function Text({ text, mentioned, me }: Props) {
  return (
    <p className="text" data-testid="message-text" dir="auto">
      {parts(text, mentioned).map((part, at) => {
        if (part.kind === 'text') return part.text;
        if (part.kind === 'link') {
          return (
            <a key={at} href={part.url} target="_blank" rel="noopener noreferrer nofollow">
              {part.text}
            </a>
          );
        }
        return (
          <span key={at} className={part.user.id === me ? 'mention me-too' : 'mention'} data-testid="mention" title={part.user.displayName}>
            {part.text}
          </span>
        );
      })}
    </p>
  );
});
