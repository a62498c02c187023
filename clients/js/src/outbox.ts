// Sends that are not decided yet. Each has a client id, so that it can be repeated until the server says yes or no: after a
// lost connection, an unknown outcome, a reload. One at a time for each conversation, so that their order stays.
import { backoff, pause } from './backoff.js';
import type { Connection } from './connection.js';
import { isGone, ParlorError } from './error.js';
import { Shelf, type OutboxStorage } from './storage.js';
import type { Content, Drawing, Message } from './types.js';

/** What is to be sent. */
export interface Draft {
  readonly type: 'text' | 'image' | 'drawing';
  readonly content: string | Drawing;
  readonly replyToId: string | null;
}

/** A message on its way, as the sender sees it. */
export interface PendingMessage extends Draft {
  readonly clientId: string;
  readonly conversationId: string;
  readonly createdAt: string;
  /** `sent`: committed, and about to appear among the messages. `failed`: refused; `retry` or `discard`. */
  readonly status: 'sending' | 'sent' | 'failed';
  /** Why it failed, or why it has to wait: `RATE_LIMITED` where slow mode is on. */
  readonly error: ParlorError | null;
  /** The message that it became. */
  readonly message: Message | null;
}

/** What is kept over a reload. */
interface Kept extends Draft {
  clientId: string;
  conversationId: string;
  createdAt: string;
  failed: { code: string; message: string } | null;
}

interface Waiter {
  resolve: (message: Message) => void;
  reject: (error: ParlorError) => void;
}

export interface OutboxOptions {
  connection: Connection;
  storage: OutboxStorage | undefined;
  /** Sets the entries of one user and server apart. */
  storageKey: (userId: string) => string;
  random: () => number;
  /** The entries of this conversation changed. */
  onChange: (conversationId: string) => void;
}

export class Outbox {
  private readonly entries = new Map<string, PendingMessage>();
  private readonly waiters = new Map<string, Waiter[]>();
  private readonly sending = new Set<string>();
  private shelf = new Shelf<Kept>(undefined, '');
  private userId: string | undefined;

  constructor(private readonly options: OutboxOptions) {}

  /** There is a connection of this user: whatever waits is sent. */
  begin(userId: string): void {
    this.load(userId);
    for (const { conversationId } of this.entries.values()) void this.pump(conversationId);
  }

  /** Of one conversation, in the order of their sending. */
  of(conversationId: string): PendingMessage[] {
    return [...this.entries.values()].filter((entry) => entry.conversationId === conversationId);
  }

  /** Whose outbox this is: what they left behind in another life of this page is taken up. */
  private load(userId: string): void {
    if (this.userId === userId) return;
    if (this.userId !== undefined) this.entries.clear(); // somebody else's: they stay on their shelf
    this.userId = userId;
    this.shelf = new Shelf<Kept>(this.options.storage, this.options.storageKey(userId));
    // What was written before it was known whose it is.
    for (const entry of this.entries.values()) this.keep(entry);
    const kept = this.shelf.all().sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
    const fresh = kept.filter(({ clientId }) => !this.entries.has(clientId));
    const now = [...this.entries.values()];
    this.entries.clear();
    for (const { failed, ...draft } of fresh) {
      const error = failed && new ParlorError(failed.code as 'CONFLICT', failed.message);
      this.entries.set(draft.clientId, { ...draft, status: failed ? 'failed' : 'sending', error, message: null });
    }
    for (const entry of now) this.entries.set(entry.clientId, entry);
    for (const { conversationId } of fresh) this.options.onChange(conversationId);
  }

  /** Sends. The promise ends when it is decided, be it days later. */
  send(conversationId: string, draft: Draft): Promise<Message> {
    const clientId = newId();
    const createdAt = new Date().toISOString();
    this.put({ ...draft, clientId, conversationId, createdAt, status: 'sending', error: null, message: null });
    const decided = new Promise<Message>((resolve, reject) => this.wait(clientId, { resolve, reject }));
    // Whoever does not look at the promise sees the failure in the entry.
    decided.catch(() => undefined);
    void this.pump(conversationId);
    return decided;
  }

  /** Tries one that failed once more. */
  retry(clientId: string): void {
    const entry = this.entries.get(clientId);
    if (entry?.status !== 'failed') return;
    // A refusal stands for this client id only: nothing was sent under it.
    this.put({ ...entry, status: 'sending', error: null });
    void this.pump(entry.conversationId);
  }

  /** Gives one up. One that is on its way may have been sent. */
  discard(clientId: string): void {
    if (this.remove(clientId)) this.settle(clientId, new ParlorError('DISCARDED', 'the message was discarded'));
  }

  /** A message of the user's own was seen: it is decided, answered or not. */
  seen(message: Message): void {
    const { clientId } = message;
    if (clientId === null || message.sender.id !== this.userId) return;
    if (this.entries.get(clientId)?.conversationId !== message.conversationId) return;
    this.remove(clientId);
    this.settle(clientId, message);
  }

  /** The cursor of a conversation moved: what was sent up to there is among its messages, or was before them. */
  upTo(conversationId: string, cursor: number): void {
    for (const { clientId, message } of this.of(conversationId)) if (message && message.seq <= cursor) this.remove(clientId);
  }

  /** The conversation is gone: nothing can be sent there any more. */
  close(conversationId: string, error: ParlorError): void {
    for (const { clientId } of this.of(conversationId)) {
      if (this.remove(clientId)) this.settle(clientId, error);
    }
  }

  private async pump(conversationId: string): Promise<void> {
    if (this.sending.has(conversationId)) return;
    this.sending.add(conversationId);
    const { connection, random } = this.options;
    for (let failures = 0; connection.connected; ) {
      const entry = this.of(conversationId).find(({ status }) => status === 'sending');
      if (!entry) break;
      try {
        this.accepted(entry.clientId, await this.ask(entry));
        failures = 0;
      } catch (thrown) {
        const error = ParlorError.from(thrown);
        if (!error.retryable) this.refused(entry.clientId, error);
        else if (connection.connected) {
          this.waits(entry.clientId, error);
          await pause(error.retryAfterMs ?? backoff(failures++, random) + 100);
        }
      }
    }
    this.sending.delete(conversationId);
  }

  private async ask({ conversationId, type, content, clientId, replyToId }: PendingMessage): Promise<Message> {
    const reply = replyToId === null ? {} : { replyToId };
    const data = { conversationId, type, content: content as Content, clientId, ...reply };
    return (await this.options.connection.request('send_message', data)).message;
  }

  private accepted(clientId: string, message: Message): void {
    const entry = this.entries.get(clientId);
    if (entry) {
      this.shelf.remove(clientId);
      this.entries.set(clientId, { ...entry, status: 'sent', error: null, message });
      this.options.onChange(entry.conversationId);
    }
    this.settle(clientId, message);
  }

  private waits(clientId: string, error: ParlorError): void {
    const entry = this.entries.get(clientId);
    if (entry) this.put({ ...entry, error });
  }

  private refused(clientId: string, error: ParlorError): void {
    const entry = this.entries.get(clientId);
    if (!entry) return;
    if (isGone(error)) this.remove(clientId);
    else this.put({ ...entry, status: 'failed', error });
    this.settle(clientId, error);
  }

  private put(entry: PendingMessage): void {
    this.entries.set(entry.clientId, entry);
    this.keep(entry);
    this.options.onChange(entry.conversationId);
  }

  private keep({ status, error, message: _, ...draft }: PendingMessage): void {
    if (status === 'sent') return;
    const failed = status === 'failed' && error ? { code: error.code, message: error.message } : null;
    this.shelf.put(draft.clientId, { ...draft, failed });
  }

  private remove(clientId: string): boolean {
    const entry = this.entries.get(clientId);
    if (!entry) return false;
    this.entries.delete(clientId);
    this.shelf.remove(clientId);
    this.options.onChange(entry.conversationId);
    return true;
  }

  private wait(clientId: string, waiter: Waiter): void {
    this.waiters.set(clientId, [...(this.waiters.get(clientId) ?? []), waiter]);
  }

  private settle(clientId: string, outcome: Message | ParlorError): void {
    const waiters = this.waiters.get(clientId) ?? [];
    this.waiters.delete(clientId);
    for (const { resolve, reject } of waiters) outcome instanceof ParlorError ? reject(outcome) : resolve(outcome);
  }
}

/** 32 hexadecimal digits; `randomUUID` is only there on secure pages. */
function newId(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
