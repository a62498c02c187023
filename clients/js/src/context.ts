// What conversations share: the parts that `parlor.ts` puts together.
import type { Connection } from './connection.js';
import type { Outbox } from './outbox.js';
import type { Presence } from './presence.js';
import type { Rest } from './rest.js';
import type { Syncer } from './syncer.js';
import type { User } from './types.js';

export interface Context {
  readonly connection: Connection;
  readonly rest: Rest;
  readonly syncer: Syncer;
  readonly outbox: Outbox;
  readonly presence: Presence;
  readonly random: () => number;
  /** Who the user is; undefined until the first connect. */
  readonly me: () => User | undefined;
  /** Something that the list of conversations shows changed. */
  readonly onSummary: () => void;
}
