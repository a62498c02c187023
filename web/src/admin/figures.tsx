// The figures of the node as cards: a number, what it is made of, how it went.
import type { NodeFigures } from '@parlor/client';
import { sum } from './admin.js';
import { Chart } from './chart.js';
import { bytes, duration, type Reading } from './series.js';

interface CardProps {
  id: string;
  name: string;
  value: string;
  detail?: string | undefined;
  values?: readonly number[];
}

function Card({ id, name, value, detail, values }: CardProps) {
  return (
    <section className="figure" aria-label={name} data-testid={`metric-${id}`}>
      <h2>{name}</h2>
      <p className="value">{value}</p>
      {detail !== undefined && <p className="quiet">{detail}</p>}
      {values && <Chart values={values} name={name} />}
    </section>
  );
}

const milliseconds = (seconds: number | null | undefined) => `${((seconds ?? 0) * 1000).toFixed(1)} ms`;
/** `{websocket: 3, appendQueue: 1}` → `websocket 3 · append queue 1`. */
const list = (figures: object) =>
  Object.entries(figures)
    .map(([name, value]) => `${name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)} ${value}`)
    .join(' · ');

export function Figures({ figures, readings }: { figures: NodeFigures; readings: readonly Reading[] }) {
  const { commits, databasePool: pool } = figures;
  return (
    <div className="figures">
      <Card
        id="sessions"
        name="Sessions"
        value={String(sum(figures.sessions))}
        detail={list(figures.sessions)}
        values={readings.map(({ sessions }) => sessions)}
      />
      <Card
        id="rate"
        name="Messages a second"
        value={figures.messagesPerSecond.toFixed(1)}
        detail={`${figures.messages.toLocaleString()} since the start`}
        values={readings.map(({ rate }) => rate)}
      />
      <Card
        id="commit"
        name="Commit latency"
        value={milliseconds(commits.latencySeconds.p99)}
        detail={`99 of 100; half within ${milliseconds(commits.latencySeconds.p50)}`}
        values={readings.map(({ commit }) => commit)}
      />
      <Card
        id="mailboxes"
        name="Mailboxes"
        value={String(sum(figures.mailboxDepths))}
        detail={list(figures.mailboxDepths)}
        values={readings.map(({ queue }) => queue)}
      />
      <Card id="users" name="Users online" value={String(figures.usersOnline)} detail={`conversations in use: ${figures.activeRooms}`} />
      <Card id="memory" name="Memory" value={bytes(figures.memory.rssBytes)} detail={`${pool.inUse} of ${pool.open} database connections in use`} />
      <Card id="uptime" name="Up for" value={duration(figures.uptimeSeconds)} />
    </div>
  );
}
