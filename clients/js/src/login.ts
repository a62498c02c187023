// Accounts of the server itself: register and log in. What they give is the token for `new Parlor`. Products that sign their own
// tokens do not need these.
import { Rest, type Fetch } from './rest.js';
import { Tokens } from './token.js';
import type { Login } from './types.js';
import { httpUrl } from './url.js';

export interface Credentials {
  username: string;
  password: string;
}

const anybody = (url: string, fetch: Fetch = (...call) => globalThis.fetch(...call)) =>
  new Rest(httpUrl(url), new Tokens(undefined, undefined), fetch);

/** Makes an account, and logs in. */
export function register(url: string, account: Credentials & { displayName?: string }, fetch?: Fetch): Promise<Login> {
  return anybody(url, fetch).post('/api/auth/register', account);
}

/** Logs in. */
export function login(url: string, credentials: Credentials, fetch?: Fetch): Promise<Login> {
  return anybody(url, fetch).post('/api/auth/login', credentials);
}

/** Ends the login that the cookie stands for (or this token): it is void from then on, and its sessions are closed. */
export function logout(url: string, { token, fetch }: { token?: string; fetch?: Fetch } = {}): Promise<void> {
  const rest = new Rest(httpUrl(url), new Tokens(token, undefined), fetch ?? ((...call) => globalThis.fetch(...call)));
  return rest.post('/api/auth/logout');
}
