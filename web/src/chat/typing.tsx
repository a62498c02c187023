// Who is typing, in a line that is always there, so that nothing moves when somebody begins.
import type { Typer } from '@parlor/client';

export function words(names: readonly string[]): string {
  const [first, second] = names;
  if (first === undefined) return '';
  if (second === undefined) return `${first} is typing …`;
  return names.length === 2 ? `${first} and ${second} are typing …` : 'Several people are typing …';
}

export function Typing({ typers, me }: { typers: readonly Typer[]; me: string | undefined }) {
  const others = typers.filter(({ userId }) => userId !== me);
  return (
    <p className="typing quiet" role="status" data-testid="typing">
      {words(others.map(({ displayName }) => displayName))}
    </p>
  );
}
