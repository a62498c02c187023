// Who has read a message, and when.
import type { Conversation, Message, User } from '@parlor/client';
import { useEffect, useState } from 'react';
import { UserAvatar } from '../ui/avatar.js';
import { Dialog } from '../ui/dialog.js';
import { tellError } from '../ui/notice.js';
import { ago, wholeTime } from '../ui/time.js';

interface Props {
  conversation: Conversation;
  message: Message;
  onClose: () => void;
}

export function ReadBy({ conversation, message, onClose }: Props) {
  const [readBy, setReadBy] = useState<{ user: User; readAt: string }[] | null>(null);
  useEffect(() => {
    conversation.receipts(message).then(setReadBy, tellError);
  }, [conversation, message]);
  return (
    <Dialog title="Read by" onClose={onClose}>
      {readBy?.length === 0 && <p className="quiet">Nobody yet.</p>}
      <ul className="results">
        {(readBy ?? []).map(({ user, readAt }) => (
          <li key={user.id} className="result" data-testid="reader" data-user-id={user.id}>
            <UserAvatar user={user} size="small" />
            <span className="result-name">{user.displayName}</span>
            <time className="quiet" dateTime={readAt} title={wholeTime(readAt)}>
              {ago(readAt)}
            </time>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
