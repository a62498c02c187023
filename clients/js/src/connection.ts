// The WebSocket: opens it, opens it again, tells what the server says, and matches answers to requests. Knows nothing of
// conversations. What close codes mean is in `close.ts`; tokens are `token.ts`'s.
import { backoff, pause } from './backoff.js';
import { meaning, type Reason } from './close.js';
import { Emitter } from './emitter.js';
import { ParlorError } from './error.js';
import { Requests as Pending } from './pending.js';
import { Value } from './store.js';
import type { Tokens } from './token.js';
import type { Ready, Requests, ServerEvents } from './types.js';

/** The part of a WebSocket that is used: a browser's, Node's, and the package `ws`'s have it. */
export interface WebSocketLike {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string): void;
  close(code?: number): void;
}

export type WebSocketConstructor = new (url: string) => WebSocketLike;

/** Where the connection stands, and why. */
export type ConnectionState =
  | { readonly status: 'disconnected'; readonly reason: Reason; readonly error?: ParlorError }
  | {
      readonly status: 'connecting';
      readonly reason: Reason;
      /** How many attempts failed in a row. */
      readonly failures: number;
      /** When the next attempt is made (milliseconds since 1970); null while one is under way. */
      readonly retryAt: number | null;
    }
  | { readonly status: 'connected'; readonly sessionId: string; readonly nodeId: string };

/** What others hear: everything the server says, and the coming and going of the connection. */
export interface ConnectionEvents extends Omit<ServerEvents, 'ready'> {
  ready: Ready;
  lost: { reason: Reason };
}

export interface ConnectionOptions {
  /** `ws://…/ws` without a token. */
  url: string;
  tokens: Tokens;
  WebSocket: WebSocketConstructor;
  random: () => number;
  /** Whether the server takes this token; asked when a connection was not let in, which a browser does not explain. */
  isRefused: (token: string | null) => Promise<boolean>;
}

/** Until the server's `ready`. */
const READY_WITHIN = 15_000;
/** Until a sign of life that was asked for. */
const ALIVE_WITHIN = 10_000;
/** A connection that held this long was a good one: the next failure is the first. */
const GOOD_AFTER = 10_000;
/** After 4429. */
const FLOOD_PAUSE = 5_000;
/** Ends in a row for breaking the protocol, after which it is no use. */
const BROKEN_MOST = 3;

export class Connection {
  readonly state = new Value<ConnectionState>({ status: 'disconnected', reason: 'initial' });
  readonly events = new Emitter<ConnectionEvents>();
  /** The last `ready`. */
  ready: Ready | undefined;

  private socket: WebSocketLike | undefined;
  private pending = new Pending();
  /** Counts attempts: what belongs to an older one is not listened to. */
  private attempt = 0;
  private failures = 0;
  private broken = 0;
  private renewed = false;
  private readyAt: number | undefined;
  private heardAt = 0;
  private token: string | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: ConnectionOptions) {}

  get connected(): boolean {
    return this.state.getSnapshot().status === 'connected';
  }

  /** Connects, and stays connected until `disconnect`. */
  connect(): void {
    if (this.state.getSnapshot().status !== 'disconnected') return;
    this.failures = 0;
    this.broken = 0;
    this.renewed = false;
    globalThis.addEventListener?.('online', this.comeBack);
    void this.open('initial');
  }

  disconnect(): void {
    this.drop(1000);
    this.end('closed');
  }

  /** A network that came back is worth an attempt at once. */
  private readonly comeBack = (): void => {
    const state = this.state.getSnapshot();
    if (state.status === 'connecting' && state.retryAt !== null) void this.open(state.reason);
  };

  // ---- asking ----

  /** Asks, and gives the data of the answer. */
  request<Name extends keyof Requests>(event: Name, data: Requests[Name]['data']): Promise<Requests[Name]['answer']> {
    const { socket } = this;
    if (!socket || !this.connected) return Promise.reject(ParlorError.disconnected());
    const most = this.ready?.limits.frameBytes ?? Infinity;
    return this.pending.begin((id) => {
      const frame = JSON.stringify({ event, id, data });
      if (frame.length * 3 > most && new TextEncoder().encode(frame).length > most) {
        throw new ParlorError('PAYLOAD_TOO_LARGE', `a request is at most ${most} bytes`);
      }
      try {
        socket.send(frame);
      } catch {
        throw ParlorError.disconnected(); // it has ended, and is about to say so
      }
    }) as Promise<Requests[Name]['answer']>;
  }

  /** Says something that matters only now: without a connection, and when it fails, it is forgotten. */
  tell<Name extends keyof Requests>(event: Name, data: Requests[Name]['data']): void {
    void this.request(event, data).catch(() => undefined);
  }

  /** Another token of the same user, from now on; whoever was refused tries again with it. */
  async replaceToken(token: string): Promise<void> {
    this.options.tokens.replace(token);
    const state = this.state.getSnapshot();
    if (state.status === 'connected') await this.authenticate(token);
    else if (state.status === 'disconnected' && state.reason === 'unauthorized') this.connect();
  }

  private async authenticate(token: string): Promise<void> {
    await this.request('authenticate', { token });
    this.token = token;
  }

  // ---- opening ----

  private async open(reason: Reason): Promise<void> {
    clearTimeout(this.timer);
    const attempt = ++this.attempt;
    const current = () => attempt === this.attempt;
    this.readyAt = undefined;
    this.state.set({ status: 'connecting', reason, failures: this.failures, retryAt: null });
    let token: string | null;
    try {
      token = await this.options.tokens.current();
    } catch (error) {
      if (!current()) return;
      if (this.options.tokens.renewable) return this.retry('token');
      return this.end('unauthorized', ParlorError.from(error));
    }
    if (!current()) return;
    this.token = token;
    const url = token === null ? this.options.url : `${this.options.url}?token=${encodeURIComponent(token)}`;
    let socket: WebSocketLike;
    try {
      socket = new this.options.WebSocket(url);
    } catch (error) {
      return this.end('protocol', ParlorError.from(error)); // a URL that is none
    }
    this.socket = socket;
    let opened = false;
    this.timer = setTimeout(() => this.closed(1006, false), READY_WITHIN);
    socket.onopen = () => (opened = true);
    socket.onmessage = (event: { data: unknown }) => current() && this.heard(event.data);
    socket.onclose = (event: { code: number }) => current() && void this.closed(event.code, !opened);
    socket.onerror = () => undefined; // the close that follows says all that there is to say
  }

  private heard(text: unknown): void {
    this.heardAt = Date.now();
    let frame: { event?: keyof ServerEvents; data?: unknown; ack?: number; ok?: boolean; error?: unknown };
    try {
      frame = JSON.parse(String(text)) as typeof frame;
    } catch {
      return; // not this protocol; a server that goes on like this is not listened to, and found silent
    }
    if (typeof frame.ack === 'number') {
      if (frame.ok) this.pending.answer(frame.ack, frame.data);
      else this.pending.refuse(frame.ack, ParlorError.from(frame.error));
    } else if (frame.event === 'ready') {
      this.begin(frame.data as Ready);
    } else if (frame.event) {
      if (frame.event === 'token_expiring') void this.renew();
      this.events.emit(frame.event, frame.data as never);
    }
  }

  private begin(ready: Ready): void {
    clearTimeout(this.timer);
    this.ready = ready;
    this.readyAt = Date.now();
    this.renewed = false;
    this.state.set({ status: 'connected', sessionId: ready.sessionId, nodeId: ready.nodeId });
    this.watch(ready.heartbeatSeconds * 1000);
    this.events.emit('ready', ready);
  }

  /** A browser shows no pings: after a silence somebody has to ask. */
  private watch(heartbeat: number): void {
    const attempt = this.attempt;
    const silent = Date.now() - this.heardAt;
    this.timer = setTimeout(
      async () => {
        if (Date.now() - this.heardAt >= heartbeat) {
          const answer = this.request('get_presence', { userIds: [] }).catch((error: ParlorError) => {
            if (error.code === 'DISCONNECTED') throw error;
          });
          const alive = await Promise.race([answer.then(() => true), pause(ALIVE_WITHIN).then(() => false)]).catch(() => false);
          if (attempt !== this.attempt || !this.connected) return;
          if (!alive) return this.closed(1006, false);
        }
        this.watch(heartbeat);
      },
      Math.max(heartbeat - silent, 1000),
    );
  }

  /** The token ends soon: another one without a reconnect. Should that fail, the close with 4401 is the next chance. */
  private async renew(): Promise<void> {
    const { tokens } = this.options;
    if (!tokens.renewable) return;
    try {
      await this.authenticate(await tokens.renew());
    } catch {
      tokens.refuse(this.token);
    }
  }

  // ---- closing ----

  private async closed(code: number, neverOpened: boolean): Promise<void> {
    const attempt = this.attempt;
    this.drop();
    if (this.readyAt !== undefined && Date.now() - this.readyAt >= GOOD_AFTER) this.failures = this.broken = 0;
    const { reason, remedy } = meaning(code);
    switch (remedy) {
      case 'stop':
        return this.end(reason);
      case 'renew':
        return this.refused();
      case 'mend':
        if (++this.broken >= BROKEN_MOST) return this.end(reason);
        return this.retry(reason);
      case 'wait':
        return this.retry(reason, FLOOD_PAUSE);
      case 'reconnect': {
        this.state.set({ status: 'connecting', reason, failures: this.failures, retryAt: null });
        const refused = neverOpened && (await this.options.isRefused(this.token).catch(() => false));
        if (attempt + 1 !== this.attempt) return; // `drop` was the last to count; somebody else acted meanwhile
        return refused ? this.refused() : this.retry(reason);
      }
    }
  }

  /** The token is no good: another one at once, but a second refusal in a row waits like any other failure. */
  private refused(): void {
    const { tokens } = this.options;
    tokens.refuse(this.token);
    if (!tokens.renewable) return this.end('unauthorized');
    if (this.renewed) return this.retry('token');
    this.renewed = true;
    void this.open('token');
  }

  private retry(reason: Reason, atLeast = 0): void {
    const { random } = this.options;
    const delay = atLeast + backoff(this.failures, random);
    this.failures += 1;
    this.state.set({ status: 'connecting', reason, failures: this.failures, retryAt: Date.now() + delay });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.open(reason), delay);
  }

  private end(reason: Reason, error?: ParlorError): void {
    clearTimeout(this.timer);
    this.attempt += 1;
    globalThis.removeEventListener?.('online', this.comeBack);
    this.state.set(error ? { status: 'disconnected', reason, error } : { status: 'disconnected', reason });
  }

  /** Lets go of the socket; whoever waits for an answer is told. */
  private drop(code?: number): void {
    this.attempt += 1;
    clearTimeout(this.timer);
    const { socket, pending } = this;
    const was = this.connected;
    this.socket = undefined;
    this.pending = new Pending(pending.next);
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.onerror = () => undefined;
      try {
        socket.close(code);
      } catch {
        // It was never open.
      }
    }
    if (was) {
      this.state.set({ status: 'connecting', reason: 'lost', failures: this.failures, retryAt: null });
      this.events.emit('lost', { reason: 'lost' });
    }
    pending.abandon();
  }
}
