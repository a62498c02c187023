// The names behind ids of users, asked for once each, a few at a time.
import { useParlor } from '@parlor/client/react';
import { useEffect, useState } from 'react';

const AT_ONCE = 20;

export function useNames(userIds: readonly string[]): ReadonlyMap<string, string> {
  const parlor = useParlor();
  const [names, setNames] = useState<ReadonlyMap<string, string>>(new Map());
  useEffect(() => {
    const unknown = [...new Set(userIds)].filter((id) => !names.has(id)).slice(0, AT_ONCE);
    if (unknown.length === 0) return;
    let over = false;
    const named = unknown.map((id) =>
      parlor.users.get(id).then(
        ({ displayName, name }) => [id, `${displayName} (@${name})`] as const,
        () => [id, id] as const, // deleted meanwhile, or away: the id says enough
      ),
    );
    void Promise.all(named).then((found) => over || setNames((before) => new Map([...before, ...found])));
    return () => void (over = true);
  }, [parlor, userIds, names]);
  return names;
}
