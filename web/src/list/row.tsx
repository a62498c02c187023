// One conversation of the list.
import type { ConversationSummary } from '@parlor/client';
import { memo } from 'react';
import { go, pathOf } from '../route.js';
import { Avatar, UserAvatar } from '../ui/avatar.js';
import { briefly } from '../ui/time.js';
import { preview, titleOf } from './naming.js';

interface Props {
  summary: ConversationSummary;
  me: string | undefined;
  chosen: boolean;
  /** Of the other one, in a direct conversation. */
  online: boolean | undefined;
}

export const Row = memo(function Row({ summary, me, chosen, online }: Props) {
  const { id, view, lastMessage, unread, mentions, typers } = summary;
  const title = titleOf(view);
  const others = typers.filter(({ userId }) => userId !== me);
  return (
    <li>
      <a
        href={pathOf(id)}
        className={unread > 0 ? 'row unread' : 'row'}
        data-testid="conversation"
        data-conversation-id={id}
        aria-current={chosen ? 'page' : undefined}
        onClick={(event) => {
          if (event.metaKey || event.ctrlKey || event.shiftKey) return;
          event.preventDefault();
          go(pathOf(id));
        }}
      >
        <span className="face">
          {view?.otherUser ? <UserAvatar user={view.otherUser} /> : <Avatar id={id} name={title} square />}
          {view?.kind === 'direct' && (
            <span className="presence" data-testid="presence" data-online={online === true} role="img" aria-label={online ? 'online' : 'offline'} />
          )}
        </span>
        <span className="row-line">
          <span className="row-title">
            {view?.kind === 'channel' && <span className="quiet">#</span>}
            {title}
          </span>
          <span className="row-time quiet">{lastMessage ? briefly(lastMessage.createdAt) : ''}</span>
        </span>
        <span className="row-line">
          <span className="row-preview quiet">{others.length > 0 ? <em>typing …</em> : preview(lastMessage, me, view?.kind)}</span>
          {mentions > 0 && (
            <span className="count mention-count" data-testid="mention-count" role="img" aria-label={`${mentions} mentions`}>
              @
            </span>
          )}
          {unread > 0 && (
            <span className="count" data-testid="unread-count">
              {unread > 99 ? '99+' : unread}
              <span className="unseen"> unread</span>
            </span>
          )}
        </span>
      </a>
    </li>
  );
});
