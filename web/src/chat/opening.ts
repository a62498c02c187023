// Opening a conversation at what is unread: pages are loaded until the first unread message is among them. What was unread then
// stays marked until the user writes, or comes back to the page after being away.
import type { Conversation, ConversationSnapshot } from '@parlor/client';
import { useEffect, useRef, useState } from 'react';
import { usePresent } from './present.js';

/** Beyond that many pages of 100 the list begins where the pages end. */
const PAGES = 10;

export interface Opening {
  open: boolean;
  /** The position behind which everything of others was unread; null when nothing was. */
  unreadAfter: number | null;
  /** The user has seen it: the line goes. */
  done: () => void;
}

export function useOpening(conversation: Conversation, snapshot: ConversationSnapshot): Opening {
  const [open, setOpen] = useState(false);
  const [unreadAfter, setUnreadAfter] = useState<number | null>(null);
  const begun = useRef(false);
  const { status } = snapshot;

  useEffect(() => {
    if (status !== 'ready' || begun.current) return;
    begun.current = true;
    const { unread, lastReadSeq } = conversation.getSnapshot();
    if (unread > 0) setUnreadAfter(lastReadSeq);
    void reach(conversation, unread > 0 ? lastReadSeq : Infinity).finally(() => setOpen(true));
  }, [conversation, status]);

  // Whoever comes back finds what came meanwhile below the line.
  const present = usePresent();
  useEffect(() => {
    if (present || !open) return;
    const { unread, lastMessage, lastReadSeq } = conversation.getSnapshot();
    setUnreadAfter(unread > 0 ? lastReadSeq : (lastMessage?.seq ?? 0));
  }, [conversation, present, open]);

  return { open, unreadAfter, done: () => setUnreadAfter(null) };
}

async function reach(conversation: Conversation, seq: number): Promise<void> {
  for (let page = 0; page < PAGES; page++) {
    const { messages, hasOlder } = conversation.getSnapshot();
    const oldest = messages[0];
    if (!oldest || oldest.seq <= seq + 1 || !hasOlder) return;
    try {
      if (!(await conversation.loadOlder(100))) return;
    } catch {
      return; // what is here is shown
    }
  }
}
