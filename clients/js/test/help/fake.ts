// A server in this process, and the network before it: it loses, doubles and reorders what it is told to, cuts connections, and
// fails requests before or after they were done. Time is the test's (fake timers), chance is a seed's.
import { Parlor, type ParlorOptions, type WebSocketConstructor } from '../../src/index.js';
import type { WebSocketLike } from '../../src/connection.js';
import { Log, user, type Event } from './log.js';
import { Random } from './random.js';

/** How bad the network is: shares of events and requests. */
export interface Weather {
  lost: number;
  doubled: number;
  /** Most milliseconds that an event or answer takes; events overtake each other when `reordered`. */
  delay: number;
  reordered: boolean;
  /** Requests that fail: half of them before they were done, half after. */
  failing: number;
}

export const FAIR: Weather = { lost: 0, doubled: 0, delay: 0, reordered: false, failing: 0 };

/** Of a request; each event reads its own fields. */
type Data = Record<string, any>;

interface Socket extends WebSocketLike {
  onopen: ((event: unknown) => void) | null;
  onmessage: ((event: { data: string }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
}

export class Fake {
  readonly logs = new Map<string, Log>();
  readonly random: Random;
  epoch = 'epoch-1';
  weather: Weather = FAIR;
  /** The tokens that are good; empty: all. */
  readonly tokens = new Set<string>();
  /** How the next connections end before `ready`. */
  readonly refuseWith: number[] = [];
  /** Every request that came, and each connection's token. */
  readonly requests: { event: string; data: Record<string, unknown> }[] = [];
  readonly dialled: string[] = [];
  /** Paths of the REST calls. */
  readonly calls: string[] = [];
  /** Messages in a page of sync. */
  pageSize = 200;
  heartbeatSeconds = 25;
  /** Answers nothing. */
  mute = false;
  private readonly sockets = new Set<FakeSocket>();

  constructor(seed = 1) {
    this.random = new Random(seed);
  }

  log(id: string, bounds?: { missed: number; newest: number }): Log {
    const known = this.logs.get(id) ?? new Log(id, ['alice', 'bob'], bounds);
    this.logs.set(id, known);
    return known;
  }

  client(options: Partial<ParlorOptions> = {}): Parlor {
    return new Parlor({
      url: 'http://fake',
      WebSocket: this.WebSocket,
      fetch: (url, init) => this.rest(url, init),
      random: this.random.next,
      ...(options.getToken ? {} : { token: 'alice' }),
      ...options,
    });
  }

  get open(): number {
    return this.sockets.size;
  }

  /** Tells everybody, as well as the weather lets it. */
  tell(event: Event | { event: string; data: unknown } | undefined): void {
    if (event) for (const socket of this.sockets) socket.tell(event);
  }

  /** Ends all connections: with a code as the server does, without one as a network does. */
  cut(code = 1006): void {
    for (const socket of [...this.sockets]) socket.end(code);
  }

  // ---- the socket ----

  private get WebSocket(): WebSocketConstructor {
    const fake = this;
    return class extends FakeSocket {
      constructor(url: string) {
        super(fake, url);
      }
    } as unknown as WebSocketConstructor;
  }

  connected(socket: FakeSocket, token: string): void {
    this.dialled.push(token);
    const code = this.refuseWith.shift();
    if (code !== undefined) return socket.end(code);
    if (this.tokens.size > 0 && !this.tokens.has(token)) return socket.end(1006);
    socket.onopen?.({});
    this.sockets.add(socket);
    socket.send_({
      event: 'ready',
      data: {
        sessionId: `s-${this.dialled.length}`,
        nodeId: 'fake',
        epoch: this.epoch,
        user: user(token === 'carol' ? 'carol' : 'alice'),
        serverTime: new Date().toISOString(),
        heartbeatSeconds: this.heartbeatSeconds,
        reactions: ['heart'],
        limits: { frameBytes: 131072, textChars: 2000, presenceUsers: 500, syncCursors: 1000, messagesPerSecond: 0, eventsPerSecond: 0 },
      },
    });
  }

  ended(socket: FakeSocket): void {
    this.sockets.delete(socket);
  }

  asked(socket: FakeSocket, text: string): void {
    const { event, id, data } = JSON.parse(text) as { event: string; id: number; data: Data };
    this.requests.push({ event, data });
    if (this.mute) return;
    const { failing } = this.weather;
    const failure = { code: 'UNAVAILABLE', message: 'fails', retryable: true };
    if (this.random.chance(failing / 2)) return socket.answer(id, undefined, failure);
    const events: (Event | { event: string; data: unknown })[] = [];
    let answer: unknown;
    let error: unknown;
    try {
      answer = this.does(event, data, events);
    } catch (thrown) {
      error = thrown;
    }
    // The broadcast and the answer race each other.
    const told = () => events.forEach((one) => this.tell(one));
    if (this.random.chance(0.5)) told();
    socket.answer(id, answer, this.random.chance(failing / 2) ? failure : error);
    if (events.length > 0) queueMicrotask(() => events.splice(0).forEach((one) => this.tell(one)));
  }

  private does(event: string, data: Data, events: (Event | { event: string; data: unknown })[]): unknown {
    const found = (id: string) => {
      const log = this.logs.get(id);
      if (!log?.members.includes('alice')) throw { code: 'NOT_MEMBER', message: 'not yours', retryable: false };
      return log;
    };
    switch (event) {
      case 'sync':
        return {
          epoch: this.epoch,
          conversations: (data['cursors'] as { conversationId: string; seq: number }[]).map(({ conversationId, seq }) => {
            const log = this.logs.get(conversationId);
            if (!log?.members.includes('alice')) return { conversationId, error: { code: 'NOT_MEMBER', message: '', retryable: false } };
            return { conversationId, ...log.sync(seq, Math.min(this.pageSize, data['limit'] as number)) };
          }),
        };
      case 'join_conversation': {
        const log = found(data['conversationId']);
        const after = data['after'] as number | undefined;
        const page = log.sync(after ?? 4_294_967_295, this.pageSize);
        const oldest = page.messages[0];
        const first = log.list[0];
        const hasMore = after === undefined ? (oldest?.seq ?? 0) > (first?.seq ?? 0) : page.hasMore;
        return { conversation: log.view('alice'), members: log.memberViews(), ...page, hasMore, reset: after !== undefined && page.reset };
      }
      case 'send_message': {
        const { message, event: said } = found(data['conversationId']).post('alice', data['content'], {
          clientId: data['clientId'],
          replyToId: data['replyToId'] ?? null,
        });
        if (said) events.push(said);
        return { message };
      }
      case 'mark_read': {
        const log = found(data['conversationId']);
        log.reads.set('alice', Math.max(log.reads.get('alice') ?? 0, data['seq']));
        const { lastReadSeq, unreadCount, mentionCount } = log.view('alice');
        return { lastReadSeq, unreadCount, mentionCount };
      }
      case 'get_presence':
        return { presence: (data['userIds'] as string[]).map((userId) => ({ userId, online: userId === 'bob', lastSeenAt: null })) };
      case 'authenticate':
        this.tokens.add(data['token']);
        return { expiresAt: new Date(Date.now() + 3_600_000).toISOString() };
      default:
        return {};
    }
  }

  // ---- REST ----

  private async rest(url: string, init?: RequestInit): Promise<Response> {
    const { pathname, searchParams } = new URL(url);
    this.calls.push(pathname);
    const token = new Headers(init?.headers).get('authorization')?.replace('Bearer ', '') ?? '';
    const delay = this.random.int(this.weather.delay + 1);
    // The page is read at one moment and arrives at another.
    const [status, body] = this.answer(pathname, searchParams, token);
    await new Promise((resolve) => setTimeout(resolve, delay));
    return new Response(JSON.stringify(body), { status });
  }

  private answer(path: string, query: URLSearchParams, token: string): [number, unknown] {
    const refusal = (code: string): unknown => ({ error: { code, message: code, retryable: code === 'UNAVAILABLE' } });
    if (this.tokens.size > 0 && !this.tokens.has(token)) return [401, refusal('UNAUTHORIZED')];
    if (this.random.chance(this.weather.failing)) return [503, refusal('UNAVAILABLE')];
    if (path === '/api/me') return [200, user('alice')];
    const mine = [...this.logs.values()].filter((log) => log.members.includes('alice'));
    if (path === '/api/conversations') return [200, { conversations: mine.map((log) => log.view('alice')), nextCursor: null }];
    const [, id, rest] = /^\/api\/conversations\/([^/]+)(\/messages)?$/.exec(path) ?? [];
    const log = mine.find((one) => one.id === id);
    if (!log) return [404, refusal('NOT_FOUND')];
    if (!rest) return [200, { conversation: log.view('alice'), members: log.memberViews() }];
    const page = log.history(query);
    return page ? [200, page] : [404, refusal('NOT_FOUND')];
  }
}

class FakeSocket implements Socket {
  onopen: ((event: unknown) => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  private over = false;
  /** When the last thing arrives: what must not overtake comes after it. */
  private lastAt = 0;

  constructor(
    private readonly fake: Fake,
    url: string,
  ) {
    const token = new URL(url).searchParams.get('token') ?? '';
    setTimeout(() => !this.over && fake.connected(this, token), 1);
  }

  send(text: string): void {
    if (this.over) throw new Error('the socket is closed');
    setTimeout(() => !this.over && this.fake.asked(this, text), 1);
  }

  close(): void {
    this.over = true;
    this.fake.ended(this);
  }

  end(code: number): void {
    if (this.over) return;
    this.close();
    setTimeout(() => this.onclose?.({ code }), 1);
  }

  /** An event, as the weather is. */
  tell(event: unknown): void {
    const { random, weather } = this.fake;
    if (random.chance(weather.lost)) return;
    this.send_(event, weather.reordered);
    if (random.chance(weather.doubled)) this.send_(event, true);
  }

  answer(id: number, data: unknown, error: unknown): void {
    this.send_(error === undefined ? { ack: id, ok: true, data } : { ack: id, ok: false, error }, this.fake.weather.reordered);
  }

  send_(frame: unknown, overtakes = false): void {
    const { random, weather } = this.fake;
    const text = JSON.stringify(frame);
    const at = Date.now() + random.int(weather.delay + 1);
    const when = overtakes ? at : Math.max(at, this.lastAt);
    this.lastAt = Math.max(this.lastAt, when);
    setTimeout(() => !this.over && this.onmessage?.({ data: text }), when - Date.now());
  }
}
