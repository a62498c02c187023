// Keeping a conversation open on the server: asked when it is opened and after every connect, so that its typing and its viewers
// are told. What the answer brings is handed on.
import { backoff, pause } from './backoff.js';
import type { Connection } from './connection.js';
import { isGone, ParlorError } from './error.js';
import type { Requests } from './types.js';

export type Joined = Requests['join_conversation']['answer'];

export interface Viewed {
  readonly id: string;
  /** A join is about to be asked for: after which position, if the history is to be caught up by it. */
  startJoin(): { after?: number } | undefined;
  joined(answer: Joined, asked: { after?: number } | undefined): void;
  abandonJoin(): void;
  gone(error: ParlorError): void;
}

export class View {
  private holders = 0;
  private joining = false;
  private again = false;
  private ended = false;

  constructor(
    private readonly connection: Connection,
    private readonly random: () => number,
    private readonly viewed: Viewed,
  ) {}

  get open(): boolean {
    return this.holders > 0 && !this.ended;
  }

  /** Somebody looks at it, until they call what this returns. */
  hold(): () => void {
    this.holders += 1;
    if (this.holders === 1) void this.join();
    let over = false;
    return () => {
      if (over) return;
      over = true;
      this.holders -= 1;
      if (this.holders === 0 && !this.ended) this.connection.tell('leave_conversation', { conversationId: this.viewed.id });
    };
  }

  /** It is no longer the user's: there is nothing to look at, whoever still does. */
  end(): void {
    this.ended = true;
  }

  /** It is theirs again. */
  begin(): void {
    this.ended = false;
    void this.join();
  }

  /** Opens it on the server, if somebody looks at it and there is a connection. */
  async join(): Promise<void> {
    if (this.joining) return void (this.again = true);
    this.joining = true;
    let failures = 0;
    do {
      this.again = false;
      if (!this.open || !this.connection.connected) break;
      const asked = this.viewed.startJoin();
      try {
        this.viewed.joined(await this.connection.request('join_conversation', { conversationId: this.viewed.id, ...asked }), asked);
      } catch (thrown) {
        const error = ParlorError.from(thrown);
        this.viewed.abandonJoin();
        if (isGone(error)) this.viewed.gone(error);
        else if (this.connection.connected && error.retryable) {
          await pause(error.retryAfterMs ?? backoff(failures++, this.random) + 100);
          this.again = true;
        }
      }
    } while (this.again);
    this.joining = false;
  }
}
