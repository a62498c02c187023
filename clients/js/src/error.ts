// What goes wrong, in one type: refusals of the server (their codes are the server's own) and what happens on the way there.
// Thrown by requests and REST calls; never holds a token or a message.
import type { ErrorCode } from './types.js';

/** Codes that do not come from the server: nothing reached it, or nothing came back. */
export type LocalCode = 'DISCONNECTED' | 'TIMEOUT' | 'NETWORK' | 'DISCARDED';

/** A refusal. `retryable` says whether the same request may succeed later. */
export class ParlorError extends Error {
  readonly code: ErrorCode | LocalCode;
  readonly retryable: boolean;
  /** When to try again, where the server said so. */
  readonly retryAfterMs: number | undefined;
  /** What the server calls the REST request in its log. */
  readonly requestId: string | undefined;

  constructor(
    code: ErrorCode | LocalCode,
    message: string,
    details: { retryable?: boolean; retryAfterMs?: number | undefined; requestId?: string | undefined } = {},
  ) {
    super(message);
    this.name = 'ParlorError';
    this.code = code;
    this.retryable = details.retryable ?? false;
    this.retryAfterMs = details.retryAfterMs;
    this.requestId = details.requestId;
  }

  /** From the error of an answer, whatever it looks like. */
  static from(error: unknown): ParlorError {
    if (error instanceof ParlorError) return error;
    const said = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>;
    const code = typeof said['code'] === 'string' ? (said['code'] as ErrorCode) : 'INTERNAL';
    const message = typeof said['message'] === 'string' ? said['message'] : String(error);
    return new ParlorError(code, message, {
      retryable: said['retryable'] === true,
      retryAfterMs: typeof said['retryAfterMs'] === 'number' ? said['retryAfterMs'] : undefined,
      requestId: typeof said['requestId'] === 'string' ? said['requestId'] : undefined,
    });
  }

  /** The connection ended before there was an answer: whether the server did it is unknown. */
  static disconnected(): ParlorError {
    return new ParlorError('DISCONNECTED', 'the connection ended before the answer', { retryable: true });
  }
}

/** Whether the conversation is not (or no longer) the user's: nothing will bring it back but an invitation. */
export function isGone(error: ParlorError): boolean {
  return error.code === 'NOT_MEMBER' || error.code === 'NOT_FOUND';
}
