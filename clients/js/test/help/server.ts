// The real server as a child process: on a free port, in a directory of its own, killed when the test is over. The program is
// named by PARLOR_BIN (`scripts/test` sets it).
import { spawn, type ChildProcess } from 'node:child_process';
import { createHmac, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { reservePort } from '../../../../tests/ports/index.mjs';
import { Parlor, type ParlorOptions, type WebSocketConstructor } from '../../src/index.js';

const SECRET = 'a secret of the tests, long enough for HS256';

export class Server {
  readonly url: string;
  private child: ChildProcess | undefined;
  private readonly data = mkdtempSync(join(tmpdir(), 'parlor-js-'));
  private readonly clients: Parlor[] = [];

  private constructor(
    private readonly settings: Record<string, string>,
    private readonly port: Awaited<ReturnType<typeof reservePort>>,
  ) {
    this.url = `http://127.0.0.1:${port.number}`;
  }

  static async start(settings: Record<string, string> = {}): Promise<Server> {
    const server = new Server(settings, await reservePort());
    await server.run();
    return server;
  }

  /** Starts it, again on the same data and port. */
  run(): Promise<void> {
    const program = process.env['PARLOR_BIN'];
    if (!program) throw new Error('PARLOR_BIN must name the server: PARLOR_BIN=target/debug/parlor npm test');
    const env = { PATH: process.env['PATH'], PARLOR_JWT_SECRET: SECRET, PARLOR_RATE_LIMITS: 'off', RUST_LOG: 'warn', ...this.settings };
    const child = spawn(program, ['serve', '--listen', `127.0.0.1:${this.port.number}`, '--data-dir', this.data], { env, stdio: 'pipe' });
    this.child = child;
    let said = '';
    return new Promise((resolve, reject) => {
      child.stdout.on('data', (text: Buffer) => {
        said += text.toString();
        if (said.includes('Parlor is listening on ')) resolve();
      });
      child.stderr.on('data', (text: Buffer) => (said += text.toString()));
      child.on('exit', () => reject(new Error(`the server ended:\n${said}`)));
    });
  }

  /** SIGKILL, and gone when this resolves. */
  async kill(): Promise<void> {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  async end(): Promise<void> {
    for (const client of this.clients) client.disconnect();
    await this.kill();
    await this.port.release();
    rmSync(this.data, { recursive: true, force: true });
  }

  token(user: string, claims: Record<string, unknown> = {}): string {
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const all = { sub: user, name: user, exp: Math.floor(Date.now() / 1000) + 3600, jti: randomUUID(), ...claims };
    const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(all)}`;
    return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
  }

  /** A client of this user, not connected yet. Jitter is short: tests wait for reconnects. */
  client(user: string, options: Partial<ParlorOptions> = {}): Parlor {
    const made = new Parlor({
      url: this.url,
      WebSocket: WebSocket as unknown as WebSocketConstructor,
      random: () => Math.random() / 10,
      ...(options.getToken ? {} : { token: this.token(user) }),
      ...options,
    });
    this.clients.push(made);
    return made;
  }

  /** The same, connected. */
  async connected(user: string, options: Partial<ParlorOptions> = {}): Promise<Parlor> {
    const client = this.client(user, options);
    await client.connect();
    return client;
  }

  /** A REST call as this user, past the client. */
  async call<T>(user: string, method: string, path: string, body?: unknown): Promise<T> {
    const headers = { authorization: `Bearer ${this.token(user)}`, 'content-type': 'application/json' };
    const answer = await fetch(this.url + path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }
}
