// A face: the user's picture, or their initials on a colour of their own. The policy of the page allows pictures of its own server
// only; others fall back to the initials.
import type { User } from '@parlor/client';
import { useState } from 'react';

const COLOURS = 8;

/** The first letters of the first and the last word. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const first = (word: string | undefined) => (word === undefined ? '' : ([...word.replace(/^[^\p{L}\p{N}]+/u, '')][0] ?? ''));
  const letters = first(words[0]) + (words.length > 1 ? first(words.at(-1)) : '');
  return letters.toUpperCase() || '?';
}

/** Always the same for an id. */
export function colourOf(id: string): number {
  let hash = 2_166_136_261; // FNV-1a, and its high bits: ids that begin alike must not look alike
  for (const char of id) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 16_777_619);
  return ((hash ^ (hash >>> 15)) >>> 0) % COLOURS;
}

interface Props {
  id: string;
  name: string;
  url?: string | null | undefined;
  size?: 'small' | 'large';
  /** A conversation of many is a rounded square. */
  square?: boolean;
}

export function Avatar({ id, name, url, size, square }: Props) {
  const [broken, setBroken] = useState<string | null>(null);
  const classes = ['avatar', `colour-${colourOf(id)}`, size, square && 'square'].filter(Boolean).join(' ');
  return (
    <span className={classes} aria-hidden="true">
      {url && url !== broken ? <img src={url} alt="" onError={() => setBroken(url)} /> : initials(name)}
    </span>
  );
}

export function UserAvatar({ user, size }: { user: User; size?: 'small' | 'large' }) {
  return <Avatar id={user.id} name={user.displayName} url={user.avatarUrl} {...(size && { size })} />;
}
