// The page for administrators of the server: what the node does now and did over the last minutes, and who is connected.
import type { ConnectedSession, NodeFigures } from '@parlor/client';
import { ParlorError } from '@parlor/client';
import { useParlor } from '@parlor/client/react';
import { useCallback, useEffect, useState } from 'react';
import { ConnectionBanner } from '../connection.js';
import { go } from '../route.js';
import { BackIcon } from '../ui/icons.js';
import { Figures } from './figures.js';
import { keep, type Reading } from './series.js';
import { Rooms, Sessions } from './tables.js';

const EVERY_MS = 2000;

export function Admin() {
  const parlor = useParlor();
  const [figures, setFigures] = useState<NodeFigures | null>(null);
  const [readings, setReadings] = useState<Reading[]>([]);
  const [sessions, setSessions] = useState<ConnectedSession[]>([]);
  const [error, setError] = useState<ParlorError | null>(null);

  const ask = useCallback(async () => {
    try {
      const [now, connected] = await Promise.all([parlor.admin.metrics(), parlor.admin.sessions()]);
      setFigures(now);
      setSessions(connected);
      setReadings((before) => keep(before, readingOf(now)));
      setError(null);
      return true;
    } catch (thrown) {
      const error = ParlorError.from(thrown);
      setError(error);
      return error.code !== 'FORBIDDEN' && error.code !== 'UNAUTHORIZED';
    }
  }, [parlor]);

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let over = false;
    const again = async () => {
      const goOn = document.visibilityState !== 'visible' || (await ask());
      if (goOn && !over) timer = setTimeout(() => void again(), EVERY_MS);
    };
    void again();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [ask]);

  return (
    <div className="admin">
      <ConnectionBanner />
      <main aria-label="Server">
        <header className="admin-head">
          <button type="button" className="round" aria-label="Back" onClick={() => go('/')}>
            <BackIcon />
          </button>
          <h1>Server</h1>
          {figures && (
            <span className="quiet">
              {figures.nodeId}
              {figures.draining ? ' · stopping' : ''}
            </span>
          )}
        </header>
        {error && <Refused error={error} />}
        {figures && <Figures figures={figures} readings={readings} />}
        {figures && <Rooms rooms={figures.busiestRooms} />}
        {figures && <Sessions sessions={sessions} onChange={() => void ask()} />}
      </main>
    </div>
  );
}

function Refused({ error }: { error: ParlorError }) {
  const words =
    error.code === 'FORBIDDEN' ? 'This page is for administrators of the server.' : `The figures cannot be read: ${error.message}.`;
  return (
    <p className="refusal" role="alert">
      {words}
    </p>
  );
}

function readingOf({ sessions, messagesPerSecond, commits, mailboxDepths }: NodeFigures): Reading {
  return {
    at: Date.now(),
    sessions: sum(sessions),
    rate: messagesPerSecond,
    commit: (commits.latencySeconds.p99 ?? 0) * 1000,
    queue: sum(mailboxDepths),
  };
}

export function sum(figures: object): number {
  return Object.values(figures).reduce((total: number, value) => total + (typeof value === 'number' ? value : 0), 0);
}
