// REST calls that concern no conversation in particular, by noun. `Parlor` has one of each.
import type { Rest } from './rest.js';
import type { ChannelPage, ConnectedSession, NodeFigures, SearchPage, User, Version } from './types.js';

/** Users of the server. */
export class Users {
  constructor(private readonly rest: Rest) {}

  /** Oneself. */
  me(): Promise<User> {
    return this.rest.get('/api/me');
  }

  /** Changes oneself; `avatarUrl: null` takes the picture away. */
  updateMe(change: { displayName?: string; avatarUrl?: string | null }): Promise<User> {
    return this.rest.patch('/api/me', change);
  }

  get(id: string): Promise<User> {
    return this.rest.get(`/api/users/${encodeURIComponent(id)}`);
  }

  /** Those whose name or display name begins with `query`. */
  async search(query: string, limit?: number): Promise<User[]> {
    return (await this.rest.get<{ users: User[] }>('/api/users', { query, limit })).users;
  }
}

/** What to look for among the user's messages. */
export interface SearchOptions {
  conversationId?: string;
  /** Of this sender. */
  from?: string;
  /** Older than this message (the last one of the page before) or moment. */
  before?: string;
  limit?: number;
}

/** What an administrator of the server may. */
export class Admin {
  constructor(private readonly rest: Rest) {}

  /** The figures of the node. */
  metrics(): Promise<NodeFigures> {
    return this.rest.get('/api/admin/metrics');
  }

  /** Who is connected. */
  async sessions(): Promise<ConnectedSession[]> {
    return (await this.rest.get<{ sessions: ConnectedSession[] }>('/api/admin/sessions')).sessions;
  }

  /** Disconnects a session, for good. */
  async disconnect(sessionId: string): Promise<void> {
    await this.rest.delete(`/api/admin/sessions/${sessionId}`);
  }

  /** All that a message has said, oldest first. */
  async versions(conversationId: string, messageId: string): Promise<Version[]> {
    const path = `/api/conversations/${conversationId}/messages/${messageId}/versions`;
    return (await this.rest.get<{ versions: Version[] }>(path)).versions;
  }

  /** Makes or updates a user of the embedding product. */
  putUser(id: string, user: { name: string; displayName?: string; avatarUrl?: string | null }): Promise<User> {
    return this.rest.put(`/api/users/${encodeURIComponent(id)}`, user);
  }
}

/** Channels whose slug begins with `query`, by slug. */
export function channels(rest: Rest, query: string | undefined, options: { limit?: number; cursor?: string }): Promise<ChannelPage> {
  return rest.get('/api/channels', { query, ...options });
}

/** The user's messages that hold these words, newest first. */
export function search(rest: Rest, q: string, options: SearchOptions): Promise<SearchPage> {
  return rest.get('/api/search', { q, ...options });
}
