// Who is online: of users whom somebody watches, asked at once for all of them, and kept by events. Whoever shares no direct
// conversation, group or room with a user is told nothing unasked: for those it is as of the last connect.
import type { Connection } from './connection.js';
import type { Unsubscribe } from './emitter.js';
import { Derived, type Readable } from './store.js';
import type { Presence as Seen } from './types.js';

export class Presence {
  private readonly known = new Map<string, Seen>();
  private readonly watched = new Map<string, number>();
  private readonly fresh = new Set<string>();
  private readonly changes = new Derived<object>(() => ({}));
  private asking = false;

  constructor(private readonly connection: Connection) {
    connection.events.on('user_online', ({ userId }) => this.set({ userId, online: true, lastSeenAt: null }));
    connection.events.on('user_offline', ({ userId, lastSeenAt }) => this.set({ userId, online: false, lastSeenAt }));
  }

  /** There is a connection: what was known may have changed meanwhile. */
  begin(): void {
    for (const id of this.known.keys()) if (!this.watched.has(id)) this.known.delete(id);
    for (const id of this.watched.keys()) this.fresh.add(id);
    this.ask();
  }

  /** What is known of a user; undefined when nobody watches them, or the answer is not there yet. */
  get(userId: string): Seen | undefined {
    return this.known.get(userId);
  }

  /** Keeps what is known of these users fresh until the subscription ends. */
  watch(userIds: readonly string[], listener: () => void = () => undefined): Unsubscribe {
    const ids = [...new Set(userIds)];
    for (const id of ids) {
      if (!this.watched.has(id)) this.fresh.add(id);
      this.watched.set(id, (this.watched.get(id) ?? 0) + 1);
    }
    queueMicrotask(() => this.ask());
    const stop = this.changes.subscribe(listener);
    let over = false;
    return () => {
      if (over) return;
      over = true;
      stop();
      for (const id of ids) {
        const left = (this.watched.get(id) ?? 1) - 1;
        if (left > 0) this.watched.set(id, left);
        else this.watched.delete(id);
      }
    };
  }

  /** The presence of these users as one thing to look at. */
  of(userIds: readonly string[]): Readable<ReadonlyMap<string, Seen>> {
    let last: { seen: (Seen | undefined)[]; map: ReadonlyMap<string, Seen> } | undefined;
    return {
      subscribe: (listener) => this.watch(userIds, listener),
      getSnapshot: () => {
        const seen = userIds.map((id) => this.known.get(id));
        if (!last || seen.some((one, at) => one !== last?.seen[at])) {
          last = { seen, map: new Map(seen.flatMap((one) => (one ? [[one.userId, one] as const] : []))) };
        }
        return last.map;
      },
    };
  }

  /** Something else that says who is online, such as a list of members. */
  learn(seen: Seen): void {
    if (!this.known.has(seen.userId)) this.set(seen);
  }

  private set(seen: Seen): void {
    this.fresh.delete(seen.userId);
    this.known.set(seen.userId, seen);
    this.changes.touch();
  }

  private ask(): void {
    if (this.asking || this.fresh.size === 0 || !this.connection.connected) return;
    const most = this.connection.ready?.limits.presenceUsers ?? 500;
    const userIds = [...this.fresh].slice(0, most);
    this.asking = true;
    const done = () => {
      this.asking = false;
      this.ask();
    };
    this.connection.request('get_presence', { userIds }).then(
      ({ presence }) => {
        // An event that came meanwhile is as new, or newer.
        for (const seen of presence) if (this.fresh.has(seen.userId)) this.set(seen);
        for (const id of userIds) this.fresh.delete(id);
        done();
      },
      () => {
        // Too fast, or out of order: in a while again. A connection that is gone asks anew by itself.
        this.asking = false;
        setTimeout(() => this.ask(), 1000);
      },
    );
  }
}
