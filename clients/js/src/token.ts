// The token: given once, or fetched whenever one is needed. Used by the connection and by REST; kept in memory only.
import { ParlorError } from './error.js';

/** Gives a token for the user: asked at the first connect, when one is about to end, and when one was refused. */
export type GetToken = () => string | Promise<string>;

/** With neither a token nor a way to get one, the cookie that login set is relied on. */
export class Tokens {
  private token: string | undefined;
  private readonly getToken: GetToken | undefined;
  private fetching: Promise<string> | undefined;
  private refused = false;

  constructor(token: string | undefined, getToken: GetToken | undefined) {
    this.token = token;
    this.getToken = getToken;
  }

  /** Whether a refused token can be replaced without anybody's help. */
  get renewable(): boolean {
    return this.getToken !== undefined;
  }

  /** The token to use now; null for the cookie. */
  async current(): Promise<string | null> {
    if (this.token !== undefined) return this.token;
    if (this.getToken) return this.renew();
    if (this.refused) throw new ParlorError('UNAUTHORIZED', 'the token was refused, and there is no getToken');
    return null;
  }

  /** A new token. Several who ask at once get the same one. */
  renew(): Promise<string> {
    const getToken = this.getToken;
    if (!getToken) return Promise.reject(new ParlorError('UNAUTHORIZED', 'there is no getToken'));
    this.fetching ??= Promise.resolve()
      .then(getToken)
      .then((token) => (this.token = token))
      .finally(() => (this.fetching = undefined));
    return this.fetching;
  }

  /** This token is no good. Another one, renewed meanwhile, stays. */
  refuse(token: string | null): void {
    if (token === null || token === this.token) {
      this.refused = token !== null;
      this.token = undefined;
    }
  }

  /** From now on this one. */
  replace(token: string): void {
    this.token = token;
    this.refused = false;
  }
}
