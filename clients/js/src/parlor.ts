// The client: one for a user and a server. Puts the parts together and hands each event to the conversation that it is about.
import { Admin, channels, search, Users, type SearchOptions } from './api.js';
import { DURABLE, read } from './change.js';
import { Connection, type ConnectionEvents, type ConnectionState, type WebSocketConstructor } from './connection.js';
import { Conversation } from './conversation.js';
import { ConversationState } from './state.js';
import type { Context } from './context.js';
import type { Unsubscribe } from './emitter.js';
import { ConversationList } from './list.js';
import { Outbox } from './outbox.js';
import { Presence } from './presence.js';
import { Rest, type Fetch } from './rest.js';
import type { OutboxStorage } from './storage.js';
import { Value, type Readable } from './store.js';
import { Syncer } from './syncer.js';
import { Tokens, type GetToken } from './token.js';
import type { Channel, ChannelPage, ConversationView, Kind, Ready, Requests, SearchPage, User } from './types.js';
import { upload, type UploadOptions } from './upload.js';
import { httpUrl, socketUrl } from './url.js';

export interface ParlorOptions {
  /** Where the server is: `https://chat.example`. In a browser it may be left out: the page's own server. */
  url?: string;
  /** The user's token. Without `token` and `getToken`, the cookie that login set. */
  token?: string;
  /** Gives a fresh token: at the first connect without `token`, before one ends, and when one was refused. */
  getToken?: GetToken;
  /** Where what is not sent yet is kept over a reload: `localStorage`. Without it, in memory. */
  storage?: OutboxStorage;
  /** Where there is no global one (Node 20): the package `ws`'s. */
  WebSocket?: WebSocketConstructor;
  fetch?: Fetch;
  /** For tests: what jitter is drawn from, 0 to 1. */
  random?: () => number;
}

/** What to make. A direct conversation is made by `openDirect`. */
export interface NewConversation {
  kind: Exclude<Kind, 'direct'>;
  name?: string;
  memberIds?: string[];
  password?: string;
  /** The policies; `null` turns one off that a room would have. */
  maxMembers?: number | null;
  retentionSeconds?: number | null;
  slowModeSeconds?: number | null;
}

export class Parlor {
  /** Where the connection stands. */
  readonly state: Readable<ConnectionState>;
  /** The user's conversations. */
  readonly conversations: ConversationList;
  readonly presence: Presence;
  readonly users: Users;
  readonly admin: Admin;
  /** The user, as the server knows them; null until the first connect. */
  readonly user = new Value<User | null>(null);

  private readonly connection: Connection;
  private readonly rest: Rest;
  private readonly fetch: Fetch;
  private readonly syncer: Syncer;
  private readonly outbox: Outbox;
  private readonly context: Context;
  private readonly states = new Map<string, ConversationState>();
  private readonly known = new Map<string, Conversation>();
  /** The history that cursors belong to. */
  private epoch: string | undefined;

  constructor(options: ParlorOptions) {
    const base = httpUrl(options.url);
    const random = options.random ?? Math.random;
    const tokens = new Tokens(options.token, options.getToken);
    const WebSocket = options.WebSocket ?? (globalThis.WebSocket as WebSocketConstructor | undefined);
    if (!WebSocket) throw new TypeError('there is no global WebSocket: give one as `WebSocket`, such as that of the package ws');
    this.fetch = options.fetch ?? ((...call) => globalThis.fetch(...call));
    this.rest = new Rest(base, tokens, this.fetch);
    const isRefused = (token: string | null) => this.rest.refuses(token);
    const connection = new Connection({ url: socketUrl(base), tokens, WebSocket, random, isRefused });
    this.connection = connection;
    this.state = connection.state;
    this.users = new Users(this.rest);
    this.admin = new Admin(this.rest);
    this.presence = new Presence(connection);
    this.syncer = new Syncer(connection, random, (epoch) => this.begin({ ...this.ready, epoch } as Ready));
    this.outbox = new Outbox({
      connection,
      random,
      storage: options.storage,
      storageKey: (userId) => `parlor ${base} ${userId} `,
      onChange: (id) => this.stateOf(id).outboxChanged(),
    });
    this.conversations = new ConversationList(
      this.rest,
      () => this.states.values(),
      (id) => this.stateOf(id),
    );
    this.context = {
      connection,
      random,
      rest: this.rest,
      syncer: this.syncer,
      outbox: this.outbox,
      presence: this.presence,
      me: () => this.user.getSnapshot() ?? undefined,
      onSummary: this.conversations.touch,
    };
    this.listen();
  }

  // ---- the connection ----

  /** Connects, and stays connected. Resolves at the first `connected`; rejects when it ends for good before that. */
  connect(): Promise<void> {
    this.connection.connect();
    const connected = new Promise<void>((resolve, reject) => {
      const check = () => {
        const state = this.state.getSnapshot();
        if (state.status === 'connecting') return;
        stop();
        if (state.status === 'connected') resolve();
        else reject(state.error ?? new Error(`not connected: ${state.reason}`));
      };
      const stop = this.state.subscribe(check);
      check();
    });
    connected.catch(() => undefined); // whoever does not wait for it looks at `state`
    return connected;
  }

  /** Disconnects. Everything that is known stays; `connect` goes on from there. */
  disconnect(): void {
    this.connection.disconnect();
  }

  /** Another token of the same user, where there is no `getToken`. */
  replaceToken(token: string): Promise<void> {
    return this.connection.replaceToken(token);
  }

  /** Listens to an event of the server as it is, beside what the objects make of it. */
  on<Name extends keyof ConnectionEvents>(event: Name, listener: (data: ConnectionEvents[Name]) => void): Unsubscribe {
    return this.connection.events.on(event, listener);
  }

  /** Sends a request as it is: the data of the answer, or a `ParlorError`. */
  request<Name extends keyof Requests>(event: Name, data: Requests[Name]['data']): Promise<Requests[Name]['answer']> {
    return this.connection.request(event, data);
  }

  /** What the server said of itself at the last connect: its limits, for one. */
  get ready(): Ready | undefined {
    return this.connection.ready;
  }

  /** The emoji that may be reacted with. */
  get reactions(): readonly string[] {
    return this.ready?.reactions ?? [];
  }

  // ---- conversations ----

  /** The conversation of this id, always the same object. Asks for nothing: `open` does. */
  conversation(id: string): Conversation {
    const known = this.known.get(id);
    if (known) return known;
    const made = new Conversation(this.stateOf(id), this.context);
    this.known.set(id, made);
    return made;
  }

  /** The direct conversation with a user, made if there is none. */
  async openDirect(userId: string): Promise<Conversation> {
    const body = { otherUserId: userId };
    const { conversationId } = await this.rest.post<{ conversationId: string }>('/api/conversations/find-or-create', body);
    const conversation = this.conversation(conversationId);
    if (!conversation.getSnapshot().view) await conversation.refresh();
    return conversation;
  }

  /** Makes a group, a channel or a room. */
  async create(wanted: NewConversation): Promise<Conversation> {
    const { conversation } = await this.rest.post<{ conversation: ConversationView }>('/api/conversations', wanted);
    return this.meet(conversation);
  }

  /** Joins a channel. */
  async join(id: string, { password }: { password?: string } = {}): Promise<Conversation> {
    const body = password === undefined ? {} : { password };
    const answer = await this.rest.post<{ conversation: ConversationView }>(`/api/conversations/${id}/join`, body);
    return this.meet(answer.conversation);
  }

  /** Joins a room by what its members gave away. */
  async joinByCode(inviteCode: string, { password }: { password?: string } = {}): Promise<Conversation> {
    const body = password === undefined ? { inviteCode } : { inviteCode, password };
    const answer = await this.rest.post<{ conversation: ConversationView }>('/api/conversations/join-by-code', body);
    return this.meet(answer.conversation);
  }

  /** Channels that one may join: the first 50 whose slug begins with `query`. */
  async channels(query?: string): Promise<Channel[]> {
    return (await this.channelPage(query)).channels;
  }

  /** The same page by page. */
  channelPage(query?: string, options: { limit?: number; cursor?: string } = {}): Promise<ChannelPage> {
    return channels(this.rest, query, options);
  }

  /** The user's messages that hold these words, newest first. */
  search(words: string, options: SearchOptions = {}): Promise<SearchPage> {
    return search(this.rest, words, options);
  }

  /** Uploads an image; `conversation.sendImage` sends its URL. */
  async upload(image: Blob, options: UploadOptions = {}): Promise<string> {
    return (await upload(this.rest, this.fetch, image, options)).url;
  }

  /** The address of something that the server serves, such as an uploaded image. */
  urlOf(path: string): string {
    return path.startsWith('/') ? this.rest.base + path : path;
  }

  private meet(view: ConversationView): Conversation {
    this.stateOf(view.id).learn(view);
    return this.conversation(view.id);
  }

  private stateOf(id: string): ConversationState {
    const known = this.states.get(id);
    if (known) return known;
    const made = new ConversationState(id, this.context);
    this.states.set(id, made);
    return made;
  }

  // ---- events ----

  private begin(ready: Ready): void {
    this.connection.ready = ready;
    const stranger = this.user.getSnapshot()?.id !== ready.user.id;
    const sameHistory = this.epoch === ready.epoch && !stranger;
    this.epoch = ready.epoch;
    this.user.set(ready.user);
    for (const conversation of this.states.values()) conversation.connected(sameHistory);
    this.outbox.begin(ready.user.id);
    this.conversations.reload();
    this.presence.begin();
    void this.syncer.run();
  }

  private listen(): void {
    const { events } = this.connection;
    events.on('ready', (ready) => this.begin(ready));
    events.on('lost', () => {
      for (const conversation of this.states.values()) conversation.disconnected();
    });
    for (const name of DURABLE) {
      events.on(name, (data) => {
        const { conversationId, change } = read(name, data);
        this.about(conversationId)?.change(change);
      });
    }
    events.on('messages_expired', ({ conversationId, expiredSeq }) => this.states.get(conversationId)?.expire(expiredSeq));
    events.on('message_read', (read) => this.states.get(read.conversationId)?.read(read));
    events.on('user_typing', (typer) => this.states.get(typer.conversationId)?.typed(typer, true));
    events.on('user_stopped_typing', (typer) => this.states.get(typer.conversationId)?.typed(typer, false));
    events.on('user_joined', ({ conversationId, user }) => this.states.get(conversationId)?.viewed(user, true));
    events.on('user_left', ({ conversationId, user }) => this.states.get(conversationId)?.viewed(user, false));
    events.on('member_added', ({ conversationId, user }) => this.states.get(conversationId)?.memberChanged(user, true));
    events.on('member_removed', ({ conversationId, user }) => this.states.get(conversationId)?.memberChanged(user, false));
    events.on('user_online', ({ userId }) => this.online(userId, true));
    events.on('user_offline', ({ userId }) => this.online(userId, false));
    events.on('conversation_created', ({ conversation }) => void this.meet(conversation));
    events.on('conversation_updated', ({ conversation }) => this.states.get(conversation.id)?.overlay(conversation));
    events.on('conversation_removed', ({ conversationId, reason }) => this.states.get(conversationId)?.end(reason));
  }

  private online(userId: string, online: boolean): void {
    for (const conversation of this.states.values()) conversation.online(userId, online);
  }

  /** One that nobody asked about comes into being when a list is kept that it belongs to. */
  private about(conversationId: string): ConversationState | undefined {
    return this.conversations.wanted ? this.stateOf(conversationId) : this.states.get(conversationId);
  }
}
