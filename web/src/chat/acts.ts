// What one can do with a message; made once for a conversation by `chat.tsx`, so that lines need not be drawn anew.
import type { Message } from '@parlor/client';

export interface Acts {
  reply: (message: Message) => void;
  edit: (message: Message) => void;
  remove: (message: Message) => void;
  react: (message: Message, emoji: string, on: boolean) => void;
  readers: (message: Message) => void;
  jump: (messageId: string) => void;
  retry: (clientId: string) => void;
  discard: (clientId: string) => void;
}
