// The names of reactions, as pictures.
const PICTURES: Record<string, string> = {
  heart: '❤️',
  laugh: '😂',
  fire: '🔥',
  sad: '😢',
  thumbsup: '👍',
  thumbsdown: '👎',
  star: '⭐',
  question: '❓',
};

/** What is shown for a name; a server's own emoji is shown by its name. */
export function pictureOf(emoji: string): string {
  return PICTURES[emoji] ?? emoji;
}
