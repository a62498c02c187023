// The chat page: the list at the left, the chosen conversation at the right; on a narrow screen one of them.
import { useConnection, useConversations } from '@parlor/client/react';
import { useEffect, useState } from 'react';
import { Chat } from './chat/chat.js';
import { ConnectionBanner } from './connection.js';
import { NewConversation } from './list/new.js';
import { Sidebar } from './list/sidebar.js';
import { go, pathOf, type Route } from './route.js';
import { SearchDialog } from './search/search.js';

interface Target {
  conversationId: string;
  messageId: string;
  /** Counts jumps, so that the same one can be made again. */
  count: number;
}

interface Props {
  route: Exclude<Route, { page: 'admin' }>;
  onSignOut: () => Promise<void>;
}

export function Chats({ route, onSignOut }: Props) {
  const { conversationId, inviteCode } = route;
  const { unread } = useConversations();
  const { status } = useConnection();
  const [making, setMaking] = useState(false);
  const [searching, setSearching] = useState<{ within?: string } | null>(null);
  const [target, setTarget] = useState<Target | null>(null);

  useEffect(() => {
    document.title = unread > 0 ? `(${unread > 99 ? '99+' : unread}) Parlor` : 'Parlor';
  }, [unread]);

  function jump(conversationId: string, messageId: string) {
    setSearching(null);
    setTarget((before) => ({ conversationId, messageId, count: (before?.count ?? 0) + 1 }));
    go(pathOf(conversationId));
  }

  return (
    <div className={conversationId ? 'page with-chat' : 'page'}>
      <ConnectionBanner />
      <Sidebar chosen={conversationId} onNew={() => setMaking(true)} onSearch={() => setSearching({})} onSignOut={onSignOut} />
      <main className="main" aria-label={conversationId ? 'Conversation' : 'No conversation'}>
        {conversationId ? (
          <Chat
            key={conversationId}
            id={conversationId}
            target={target?.conversationId === conversationId ? target : null}
            onSearch={() => setSearching({ within: conversationId })}
          />
        ) : (
          <p className="centre quiet">{status === 'connected' ? 'Choose a conversation, or start one.' : ''}</p>
        )}
      </main>
      {(making || inviteCode !== null) && (
        <NewConversation
          inviteCode={inviteCode ?? undefined}
          onClose={() => {
            setMaking(false);
            if (inviteCode !== null) go('/', { replace: true });
          }}
        />
      )}
      {searching && <SearchDialog within={searching.within} onClose={() => setSearching(null)} onJump={jump} />}
    </div>
  );
}
