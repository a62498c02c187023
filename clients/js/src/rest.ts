// REST calls: the token, JSON both ways, refusals as `ParlorError`, one more try with a new token. Which calls there are is
// `api.ts`'s and the others' who use this.
import { ParlorError } from './error.js';
import type { Tokens } from './token.js';

export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;
export type Query = Record<string, string | number | boolean | null | undefined>;

export interface CallOptions {
  query?: Query | undefined;
  body?: unknown;
  signal?: AbortSignal | undefined;
}

export class Rest {
  constructor(
    /** `https://chat.example`, without a slash at the end. */
    readonly base: string,
    private readonly tokens: Tokens,
    private readonly fetch: Fetch,
  ) {}

  get<T>(path: string, query?: Query): Promise<T> {
    return this.call('GET', path, { query });
  }

  post<T>(path: string, body: unknown = {}): Promise<T> {
    return this.call('POST', path, { body });
  }

  patch<T>(path: string, body: unknown): Promise<T> {
    return this.call('PATCH', path, { body });
  }

  put<T>(path: string, body: unknown): Promise<T> {
    return this.call('PUT', path, { body });
  }

  delete<T>(path: string): Promise<T> {
    return this.call('DELETE', path);
  }

  /** A call and its answer's body; undefined when it has none. */
  call<T>(method: string, path: string, options: CallOptions = {}): Promise<T> {
    return this.withToken(async (token) => {
      const init: RequestInit = { method, headers: this.headers(token, options.body !== undefined) };
      if (options.body !== undefined) init.body = JSON.stringify(options.body);
      if (options.signal) init.signal = options.signal;
      if (token === null) init.credentials = 'include';
      return read<T>(await this.reach(this.url(path, options.query), init));
    });
  }

  /** Whether the server refuses this token; false when it cannot be asked. */
  async refuses(token: string | null): Promise<boolean> {
    const init: RequestInit = { headers: this.headers(token, false) };
    if (token === null) init.credentials = 'include';
    return (await this.fetch(this.url('/api/me'), init)).status === 401;
  }

  /** Runs a call, and once more with a new token when that was the trouble. */
  async withToken<T>(call: (token: string | null) => Promise<T>): Promise<T> {
    const token = await this.tokens.current();
    try {
      return await call(token);
    } catch (error) {
      const { code } = ParlorError.from(error);
      if ((code !== 'UNAUTHORIZED' && code !== 'TOKEN_EXPIRED') || !this.tokens.renewable) throw error;
      this.tokens.refuse(token);
      return call(await this.tokens.current());
    }
  }

  url(path: string, query: Query = {}): string {
    const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
    const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
    return this.base + path + (text && `?${text}`);
  }

  headers(token: string | null, json: boolean): Record<string, string> {
    const headers: Record<string, string> = { accept: 'application/json' };
    if (token !== null) headers['authorization'] = `Bearer ${token}`;
    if (json) headers['content-type'] = 'application/json';
    return headers;
  }

  private async reach(url: string, init: RequestInit): Promise<Response> {
    try {
      return await this.fetch(url, init);
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw new ParlorError('NETWORK', `the server cannot be reached: ${String(error)}`, { retryable: true });
    }
  }
}

/** The body of an answer, or the refusal in it. */
export async function read<T>(response: Response): Promise<T> {
  return settle<T>(response.status, response.statusText, await response.text());
}

/** The same of an answer that came another way. */
export function settle<T>(status: number, statusText: string, text: string): T {
  let body: unknown;
  try {
    body = text === '' ? undefined : JSON.parse(text);
  } catch {
    body = undefined; // a proxy's page
  }
  if (status >= 200 && status < 300) return body as T;
  const error = (body as { error?: unknown } | undefined)?.error;
  throw ParlorError.from(error ?? { code: 'INTERNAL', message: `${status} ${statusText}`, retryable: status >= 500 });
}
