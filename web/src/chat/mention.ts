// Calling somebody by `@name`: finding the names in a text, and completing one that is being written. Pure.
import type { User } from '@parlor/client';

const NAME = /[A-Za-z0-9_.:@|-]/;

/** What is being written before the caret: `@` and the beginning of a name. */
export interface Begun {
  /** Where the `@` stands. */
  start: number;
  query: string;
}

export function begun(text: string, caret: number): Begun | null {
  const before = text.slice(0, caret);
  const found = /(^|[\s([{"'])@([A-Za-z0-9_.-]{0,32})$/.exec(before);
  return found ? { start: caret - (found[2] ?? '').length - 1, query: found[2] ?? '' } : null;
}

/** Who fits what was begun: by name or display name, those whose name begins with it first. */
export function candidates(users: readonly User[], query: string, most = 6): User[] {
  const wanted = query.toLowerCase();
  const rank = ({ name, displayName }: User) => {
    if (name.toLowerCase().startsWith(wanted)) return 0;
    return displayName.toLowerCase().split(/\s+/).some((word) => word.startsWith(wanted)) ? 1 : 2;
  };
  return users
    .map((user) => ({ user, rank: rank(user) }))
    .filter(({ rank }) => rank < 2)
    .sort((a, b) => a.rank - b.rank)
    .slice(0, most)
    .map(({ user }) => user);
}

/** The text with the name in the place of what was begun, and where the caret is then. */
export function complete(text: string, caret: number, { start }: Begun, name: string): { text: string; caret: number } {
  const rest = text.slice(caret);
  const put = `@${name}${/^\s/.test(rest) ? '' : ' '}`;
  return { text: text.slice(0, start) + put + rest, caret: start + put.length + (/^\s/.test(rest) ? 1 : 0) };
}

export type Part = { kind: 'text'; text: string } | { kind: 'mention'; text: string; user: User } | { kind: 'link'; text: string; url: string };

/** A text in pieces: what mentions one of these users (whom the server says it mentions), addresses, the rest. */
export function parts(text: string, mentioned: readonly User[]): Part[] {
  const pieces: Part[] = [];
  let plain = '';
  const flush = () => {
    if (plain !== '') pieces.push({ kind: 'text', text: plain });
    plain = '';
  };
  for (let at = 0; at < text.length; ) {
    const before = at === 0 ? '' : (text[at - 1] ?? '');
    const user = text[at] === '@' && !NAME.test(before) ? named(text, at + 1, mentioned) : undefined;
    const url = text[at] === 'h' && !/[\p{L}\p{N}]/u.test(before) ? address(text.slice(at, at + 2048)) : undefined;
    if (user) {
      flush();
      const end = at + 1 + user.name.length;
      pieces.push({ kind: 'mention', text: text.slice(at, end), user });
      at = end;
    } else if (url !== undefined) {
      flush();
      pieces.push({ kind: 'link', text: url, url });
      at += url.length;
    } else {
      plain += text[at];
      at += 1;
    }
  }
  flush();
  return pieces;
}

/** The user with the longest name that stands here and ends where a word does. */
function named(text: string, at: number, users: readonly User[]): User | undefined {
  const fits = ({ name }: User) => {
    if (text.slice(at, at + name.length).toLowerCase() !== name.toLowerCase()) return false;
    const rest = text.slice(at + name.length);
    return rest === '' || !NAME.test(rest[0] ?? '') || /^[.:|@-]+($|[^A-Za-z0-9_])/.test(rest);
  };
  return users.filter(fits).sort((a, b) => b.name.length - a.name.length)[0];
}

/** The http address at the beginning of a text, without what punctuates the sentence around it. */
function address(text: string): string | undefined {
  const found = /^https?:\/\/[^\s<>"']+/.exec(text)?.[0].replace(/[.,;:!?)\]}]+$/, '');
  if (found === undefined || !URL.canParse(found)) return undefined;
  return /^https?:\/\/./.test(found) ? found : undefined;
}
