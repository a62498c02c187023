// Who is connected, and which conversations are busiest.
import type { ConnectedSession, NodeFigures } from '@parlor/client';
import { useParlor } from '@parlor/client/react';
import { useMemo, useState } from 'react';
import { Confirm } from '../ui/dialog.js';
import { tellError } from '../ui/notice.js';
import { ago, wholeTime } from '../ui/time.js';
import { useNames } from './names.js';
import { bytes } from './series.js';

/** So many rows are drawn. */
const MOST = 500;

export function Sessions({ sessions, onChange }: { sessions: readonly ConnectedSession[]; onChange: () => void }) {
  const parlor = useParlor();
  const [query, setQuery] = useState('');
  const [doomed, setDoomed] = useState<ConnectedSession | null>(null);
  const names = useNames(useMemo(() => sessions.slice(0, MOST).map(({ userId }) => userId), [sessions]));
  const nameOf = ({ userId }: ConnectedSession) => names.get(userId) ?? userId;
  const wanted = query.trim().toLowerCase();
  const shown = sessions.filter((one) => one.userId.toLowerCase().includes(wanted) || nameOf(one).toLowerCase().includes(wanted));
  return (
    <section className="table-card">
      <header>
        <h2 id="sessions-title">Sessions</h2>
        <span className="quiet">{sessions.length}</span>
        <input type="search" aria-label="Find a session by its user" placeholder="User" value={query} onChange={(event) => setQuery(event.target.value)} />
      </header>
      <div className="table-scroll" tabIndex={0} role="region" aria-labelledby="sessions-title">
        <table aria-labelledby="sessions-title">
          <thead>
            <tr>
              <th scope="col">User</th>
              <th scope="col">Speaks</th>
              <th scope="col">Since</th>
              <th scope="col" className="number">
                Conversations
              </th>
              <th scope="col" className="number">
                Unsent
              </th>
              <th scope="col">
                <span className="unseen">Deeds</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {shown.slice(0, MOST).map((session) => (
              <tr key={session.sessionId} data-testid="session-row" data-session-id={session.sessionId}>
                <td title={session.userId}>{nameOf(session)}</td>
                <td>{session.transport}</td>
                <td>
                  <time dateTime={session.openedAt} title={wholeTime(session.openedAt)}>
                    {ago(session.openedAt)}
                  </time>
                </td>
                <td className="number">{session.conversations}</td>
                <td className="number">{bytes(session.unsentBytes)}</td>
                <td className="number">
                  <button type="button" className="small" onClick={() => setDoomed(session)}>
                    Disconnect
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {shown.length > MOST && <p className="quiet">The first {MOST} are shown.</p>}
      {doomed && (
        <Confirm
          question={`Disconnect this session of ${nameOf(doomed)}?`}
          deed="Disconnect"
          onDo={() => parlor.admin.disconnect(doomed.sessionId).then(onChange, tellError)}
          onClose={() => setDoomed(null)}
        />
      )}
    </section>
  );
}

export function Rooms({ rooms }: { rooms: NodeFigures['busiestRooms'] }) {
  return (
    <section className="table-card">
      <header>
        <h2 id="rooms-title">Busiest conversations</h2>
      </header>
      {rooms.length === 0 ? (
        <p className="quiet">Nobody wrote during the last minute.</p>
      ) : (
        <div className="table-scroll" tabIndex={0} role="region" aria-labelledby="rooms-title">
          <table aria-labelledby="rooms-title">
            <thead>
              <tr>
                <th scope="col">Conversation</th>
                <th scope="col" className="number">
                  Messages a minute
                </th>
                <th scope="col" className="number">
                  Viewers
                </th>
                <th scope="col" className="number">
                  Waiting
                </th>
              </tr>
            </thead>
            <tbody>
              {rooms.map(({ conversationId, messagesPerMinute, viewers, pending }) => (
                <tr key={conversationId}>
                  <td>
                    <code>{conversationId}</code>
                  </td>
                  <td className="number">{messagesPerMinute}</td>
                  <td className="number">{viewers}</td>
                  <td className="number">{pending}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
