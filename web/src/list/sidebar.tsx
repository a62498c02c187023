// The left column: the user's conversations, and the ways to others.
import { useConversations, usePresence, useUser } from '@parlor/client/react';
import { useMemo, useRef, useState, type KeyboardEvent, type UIEvent } from 'react';
import { UserAvatar } from '../ui/avatar.js';
import { Logo, PlusIcon, SearchIcon } from '../ui/icons.js';
import { tellError } from '../ui/notice.js';
import { Account } from './account.js';
import { Row } from './row.js';

interface Props {
  chosen: string | null;
  onNew: () => void;
  onSearch: () => void;
  onSignOut: () => Promise<void>;
}

export function Sidebar({ chosen, onNew, onSearch, onSignOut }: Props) {
  const me = useUser();
  const { conversations, loaded, hasMore, loadMore } = useConversations();
  const [account, setAccount] = useState(false);
  const list = useRef<HTMLUListElement>(null);
  const others = useMemo(
    () => conversations.flatMap(({ view }) => (view?.kind === 'direct' && view.otherUser ? [view.otherUser.id] : [])),
    [conversations],
  );
  const presence = usePresence(others);

  function scrolled({ currentTarget: { scrollTop, scrollHeight, clientHeight } }: UIEvent) {
    if (hasMore && scrollHeight - scrollTop - clientHeight < 400) loadMore().catch(tellError);
  }

  /** Arrows walk through the list. */
  function walked(event: KeyboardEvent) {
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
    const links = [...(list.current?.querySelectorAll('a') ?? [])];
    const at = links.indexOf(document.activeElement as HTMLAnchorElement);
    if (at < 0) return;
    event.preventDefault();
    links[at + (event.key === 'ArrowDown' ? 1 : -1)]?.focus();
  }

  return (
    <nav className="sidebar" aria-label="Conversations">
      <header className="sidebar-head">
        <Logo />
        <h1>Parlor</h1>
        <button type="button" className="round" aria-label="Search" title="Search" onClick={onSearch}>
          <SearchIcon />
        </button>
        <button type="button" className="round" aria-label="New conversation" title="New conversation" onClick={onNew}>
          <PlusIcon />
        </button>
      </header>
      <div className="sidebar-list" onScroll={scrolled}>
        <ul ref={list} onKeyDown={walked} data-testid="conversation-list">
          {conversations.map((summary) => (
            <Row
              key={summary.id}
              summary={summary}
              me={me?.id}
              chosen={summary.id === chosen}
              online={presence.get(summary.view?.otherUser?.id ?? '')?.online}
            />
          ))}
        </ul>
        {loaded && conversations.length === 0 && (
          <div className="empty">
            <p>No conversations yet.</p>
            <button type="button" className="primary" onClick={onNew}>
              Start one
            </button>
          </div>
        )}
        {!loaded && <p className="empty quiet">Loading …</p>}
      </div>
      {me && (
        <button type="button" className="me" onClick={() => setAccount(true)}>
          <span className="unseen">Account </span>
          <UserAvatar user={me} size="small" />
          <span className="me-names">
            <span>{me.displayName}</span>
            <span className="quiet">@{me.name}</span>
          </span>
        </button>
      )}
      {account && me && <Account me={me} onClose={() => setAccount(false)} onSignOut={onSignOut} />}
    </nav>
  );
}
