// The user's conversations, newest activity first: loaded page by page over REST, kept by events, loaded again after every
// connect.
import type { Rest } from './rest.js';
import type { ConversationSummary } from './snapshot.js';
import type { ConversationState } from './state.js';
import { Derived, same, type Readable } from './store.js';
import type { Unsubscribe } from './emitter.js';
import type { ConversationView } from './types.js';

const PAGE = 50;

export interface ConversationListSnapshot {
  /** Newest activity first. */
  readonly conversations: readonly ConversationSummary[];
  /** Whether the first page is there. */
  readonly loaded: boolean;
  readonly hasMore: boolean;
  /** Unread messages of all of them, and mentions among them. */
  readonly unread: number;
  readonly mentions: number;
}

interface Page {
  conversations: ConversationView[];
  nextCursor: string | null;
}

export class ConversationList implements Readable<ConversationListSnapshot> {
  /** Whether somebody asked for it: then it is loaded again after every connect. */
  wanted = false;
  private pages = 0;
  private nextCursor: string | null = null;
  private loading: Promise<void> | undefined;

  constructor(
    private readonly rest: Rest,
    private readonly known: () => Iterable<ConversationState>,
    private readonly conversation: (id: string) => ConversationState,
  ) {}

  private readonly snapshots = new Derived<ConversationListSnapshot>((before) => {
    const mine = [...this.known()].filter((conversation) => conversation.hasView && !conversation.isRemoved);
    const summaries = mine.map((conversation) => conversation.summary.getSnapshot());
    const conversations = same(before?.conversations, summaries.sort((a, b) => (activity(a) < activity(b) ? 1 : -1)));
    return {
      conversations,
      loaded: this.pages > 0,
      hasMore: this.nextCursor !== null,
      unread: sum(conversations, 'unread'),
      mentions: sum(conversations, 'mentions'),
    };
  });

  readonly getSnapshot = (): ConversationListSnapshot => this.snapshots.getSnapshot();
  readonly subscribe = (listener: () => void): Unsubscribe => this.snapshots.subscribe(listener);
  /** @internal */
  readonly touch = (): void => this.snapshots.touch();

  /** Loads the first page, unless it is there; from now on the list stays up to date. */
  load(): Promise<void> {
    if (this.pages > 0) return Promise.resolve();
    this.wanted = true;
    return this.once(() => this.read(null));
  }

  /** Loads the next page. */
  async loadMore(): Promise<void> {
    await this.load();
    const { nextCursor } = this;
    if (nextCursor !== null) await this.once(() => this.read(nextCursor));
  }

  /** @internal After a connect: as many pages as there were. */
  reload(): void {
    if (!this.wanted) return;
    void this.once(async () => {
      const pages = Math.max(this.pages, 1);
      const listed = new Set<string>();
      this.nextCursor = null;
      this.pages = 0;
      do for (const id of await this.read(this.nextCursor)) listed.add(id);
      while (this.pages < pages && this.nextCursor !== null);
      if (this.nextCursor === null) this.dropOthers(listed);
    }).catch(() => undefined); // the next connect tries again
  }

  /** The list is whole: what is not in it is no longer the user's. What came while it was asked for is asked about. */
  private dropOthers(listed: Set<string>): void {
    for (const conversation of this.known()) {
      if (conversation.hasView && !conversation.isRemoved && !listed.has(conversation.id)) {
        conversation.refresh().catch(() => undefined);
      }
    }
  }

  private async read(cursor: string | null): Promise<string[]> {
    const page = await this.rest.get<Page>('/api/conversations', { limit: PAGE, cursor });
    for (const view of page.conversations) this.conversation(view.id).learn(view);
    this.pages += 1;
    this.nextCursor = page.nextCursor;
    this.touch();
    return page.conversations.map(({ id }) => id);
  }

  /** One at a time. */
  private once(run: () => Promise<unknown>): Promise<void> {
    const before = this.loading ?? Promise.resolve();
    const mine = before.catch(() => undefined).then(run).then(() => undefined);
    this.loading = mine;
    void mine.catch(() => undefined).finally(() => this.loading === mine && (this.loading = undefined));
    return mine;
  }
}

function activity({ lastMessage, view }: ConversationSummary): string {
  return lastMessage?.createdAt ?? view?.lastMessageAt ?? view?.createdAt ?? '';
}

function sum(conversations: readonly ConversationSummary[], of: 'unread' | 'mentions'): number {
  return conversations.reduce((total, conversation) => total + conversation[of], 0);
}
