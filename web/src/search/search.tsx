// Searching one's messages, everywhere or in one conversation; a result leads to its place.
import type { Found } from '@parlor/client';
import { useParlor } from '@parlor/client/react';
import { useEffect, useState } from 'react';
import { titleOf } from '../list/naming.js';
import { UserAvatar } from '../ui/avatar.js';
import { Dialog } from '../ui/dialog.js';
import { tellError } from '../ui/notice.js';
import { briefly } from '../ui/time.js';

interface Props {
  within: string | undefined;
  onClose: () => void;
  onJump: (conversationId: string, messageId: string) => void;
}

interface Results {
  words: string;
  messages: Found[];
  hasMore: boolean;
}

export function SearchDialog({ within, onClose, onJump }: Props) {
  const parlor = useParlor();
  const [query, setQuery] = useState('');
  const [here, setHere] = useState(within !== undefined);
  const [results, setResults] = useState<Results | null>(null);
  const words = query.trim();
  const where = here && within !== undefined ? { conversationId: within } : {};
  const name = (id: string) => titleOf(parlor.conversation(id).summary.getSnapshot().view);

  useEffect(() => {
    if (words === '') return setResults(null);
    let over = false;
    const timer = setTimeout(
      () => parlor.search(words, where).then((found) => over || setResults({ words, ...found }), tellError),
      250,
    );
    return () => {
      over = true;
      clearTimeout(timer);
    };
    // `where` is made of `here` and `within`.
  }, [parlor, words, here, within]);

  function more() {
    const last = results?.messages.at(-1);
    if (!results || !last) return;
    parlor.search(results.words, { ...where, before: last.id }).then(
      ({ messages, hasMore }) => setResults({ ...results, messages: [...results.messages, ...messages], hasMore }),
      tellError,
    );
  }

  return (
    <Dialog title="Search" onClose={onClose} wide>
      <div className="stack">
        <label className="field">
          <span>Search messages</span>
          <input type="search" value={query} onChange={(event) => setQuery(event.target.value)} data-autofocus autoComplete="off" />
        </label>
        {within !== undefined && (
          <label className="check">
            <input type="checkbox" checked={here} onChange={(event) => setHere(event.target.checked)} /> Only in {name(within)}
          </label>
        )}
        <p className="quiet" role="status">
          {results ? (results.messages.length === 0 ? 'Nothing was found.' : `${results.messages.length}${results.hasMore ? '+' : ''} found`) : ''}
        </p>
        <ul className="results tall">
          {(results?.messages ?? []).map((message) => (
            <li key={message.id}>
              <button
                type="button"
                className="result found"
                data-testid="search-result"
                data-message-id={message.id}
                onClick={() => onJump(message.conversationId, message.id)}
              >
                <UserAvatar user={message.sender} size="small" />
                <span className="found-body">
                  <span className="found-head">
                    <strong>{message.sender.displayName}</strong>
                    <span className="quiet">
                      {name(message.conversationId)} · {briefly(message.createdAt)}
                    </span>
                  </span>
                  <span className="found-text">
                    {message.highlights.map(({ text, match }, at) => (match ? <mark key={at}>{text}</mark> : text))}
                  </span>
                </span>
              </button>
            </li>
          ))}
        </ul>
        {results?.hasMore && (
          <button type="button" onClick={more}>
            More
          </button>
        )}
      </div>
    </Dialog>
  );
}
