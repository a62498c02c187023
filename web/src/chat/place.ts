// Where a list of messages stands: decisions of scrolling. Pure; `messages.tsx` carries them out.

/** How the first line moved from one list to the next: by how many lines, or `other` when it is another stretch of history. */
export function shift(before: readonly { key: string }[], after: readonly { key: string }[]): number | 'other' {
  const first = before[0]?.key;
  const next = after[0]?.key;
  if (first === undefined || next === undefined) return before.length === after.length ? 0 : 'other';
  if (first === next) return 0;
  const older = after.findIndex(({ key }) => key === first);
  if (older > 0) return -older; // that many were put before it
  const gone = before.findIndex(({ key }) => key === next);
  return gone > 0 ? gone : 'other'; // that many were taken away, by retention
}

export type Start = { at: 'end' } | { at: 'line'; index: number; align: 'start' | 'center' };

/** Where to begin: at what is unread, otherwise at the end. */
export function startOf(lines: readonly { firstUnread: boolean }[]): Start {
  const index = lines.findIndex(({ firstUnread }) => firstUnread);
  return index < 0 ? { at: 'end' } : { at: 'line', index, align: 'start' };
}

/** How many lines of others stand behind the last one that was seen. */
export function newBelow(lines: readonly { key: string; own: boolean }[], seen: string | null): number {
  if (seen === null) return 0;
  let count = 0;
  for (let at = lines.length - 1; at >= 0; at--) {
    const line = lines[at];
    if (!line || line.key === seen) return count;
    if (!line.own) count += 1;
  }
  return 0; // what was seen is not here any more
}
