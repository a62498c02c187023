// What each close code means for whoever was connected: the table of the protocol's section 2, once.

/** What to do about it. */
export type Remedy = 'reconnect' | 'wait' | 'renew' | 'mend' | 'stop';

/** Why the connection is not there. */
export type Reason =
  | 'initial'
  | 'closed'
  | 'lost'
  | 'going-away'
  | 'restarting'
  | 'overloaded'
  | 'internal'
  | 'heartbeat'
  | 'flood'
  | 'too-slow'
  | 'protocol'
  | 'token'
  | 'unauthorized'
  | 'revoked';

const CODES: Record<number, [Reason, Remedy]> = {
  1001: ['going-away', 'reconnect'],
  1002: ['protocol', 'mend'],
  1003: ['protocol', 'mend'],
  1007: ['protocol', 'mend'],
  1009: ['protocol', 'mend'],
  1011: ['internal', 'reconnect'],
  1012: ['restarting', 'reconnect'],
  1013: ['overloaded', 'reconnect'],
  4400: ['protocol', 'mend'],
  4401: ['token', 'renew'],
  4403: ['revoked', 'stop'],
  4408: ['heartbeat', 'reconnect'],
  4429: ['flood', 'wait'],
  4430: ['too-slow', 'reconnect'],
};

/** Any other code, and an end without one, is a connection that was lost. */
export function meaning(code: number): { reason: Reason; remedy: Remedy } {
  const [reason, remedy] = CODES[code] ?? ['lost', 'reconnect'];
  return { reason, remedy };
}
