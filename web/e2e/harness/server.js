// The real server as a child process, on a free port, in a data directory of its own. Stories start it by `story.js`; it is killed by
// its own process id when the story is over.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { reservePort } from '../../../tests/ports/index.mjs';

const LISTENING = /^Parlor is listening on /m;
const WITHIN_MS = 30_000;

/** The program: what PARLOR_BIN names, or the newest that cargo has left here. */
function program() {
  const named = process.env['PARLOR_BIN'];
  const target = process.env['CARGO_TARGET_DIR'] ?? fileURLToPath(new URL('../../../target', import.meta.url));
  const found = named ?? [join(target, 'debug/parlor'), join(target, 'release/parlor')].find(existsSync);
  if (!found) throw new Error('there is no server: build it (cargo build), or name it in PARLOR_BIN');
  return found;
}

export class Server {
  /** @type {import('node:child_process').ChildProcess | null} */
  #process = null;
  /** @type {Awaited<ReturnType<typeof reservePort>> | null} */
  #port = null;
  #said = '';
  #data = '';
  /** @type {Record<string, string>} */
  #settings;

  /** @param {Record<string, string>} settings by the names of their environment variables */
  constructor(settings = {}) {
    this.#settings = { PARLOR_RATE_LIMITS: 'off', RUST_LOG: 'info', ...settings };
  }

  get origin() {
    return `http://127.0.0.1:${this.#port?.number}`;
  }

  /** All that it printed, over all its lives. */
  get said() {
    return this.#said;
  }

  /** Starts it; again on the same port and data, so that pages find it where it was. */
  async start() {
    this.#data ||= await mkdtemp(join(tmpdir(), 'parlor-story-'));
    this.#port ??= await reservePort();
    const arguments_ = ['serve', '--data-dir', this.#data, '--listen', `127.0.0.1:${this.#port.number}`];
    const child = spawn(program(), arguments_, { cwd: this.#data, env: { ...process.env, ...this.#settings } });
    this.#process = child;
    let life = '';
    await new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`the server did not listen in time:\n${life}`)), WITHIN_MS);
      const hear = (/** @type {Buffer} */ piece) => {
        life += piece;
        this.#said += piece;
        if (!LISTENING.test(life)) return;
        clearTimeout(late);
        resolve(undefined);
      };
      child.stdout.on('data', hear);
      child.stderr.on('data', hear);
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`the server ended (${code}):\n${life}`)));
    });
  }

  /** `kill -9`: it has no time to say or save anything. The process is gone when this returns. */
  async kill() {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  async end() {
    await this.kill();
    await this.#port?.release();
    if (this.#data) await rm(this.#data, { recursive: true, force: true });
  }

  /**
   * A call of the API, as a program would make it.
   * @param {string} method
   * @param {string} path
   * @param {{token?: string, json?: unknown}} [what]
   */
  async call(method, path, { token, json } = {}) {
    const headers = { ...(token && { authorization: `Bearer ${token}` }), ...(json !== undefined && { 'content-type': 'application/json' }) };
    const answer = await fetch(this.origin + path, { method, headers, ...(json !== undefined && { body: JSON.stringify(json) }) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text === '' ? null : JSON.parse(text);
  }
}
