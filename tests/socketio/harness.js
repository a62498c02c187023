// A real server, people who use it over REST, and stock clients of theirs that remember what they were told.
// Used by every *.test.js beside it; nothing here sleeps: one waits for a thing to be seen.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { io } from "socket.io-client";
import { reservePort } from "../ports/index.mjs";

const PARLOR = process.env.PARLOR_BIN ?? new URL("../../target/debug/parlor", import.meta.url).pathname;
// Settings of whoever runs the tests are none of the server's.
const ENVIRONMENT = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("PARLOR_")));
const DEADLINE = 15_000;

/** The transports that every client test runs with: the defaults (polling, then upgrade), and each alone. */
export const TRANSPORTS = [
  ["default transports", {}],
  ["websocket only", { transports: ["websocket"] }],
  ["polling only", { transports: ["polling"] }],
];

/** Waits for a promise, but not for ever. */
export function soon(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${DEADLINE} ms`)), DEADLINE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export class Server {
  static async start(environment = {}) {
    const server = new Server();
    server.dir = await mkdtemp(join(tmpdir(), "parlor-socketio-"));
    server.environment = environment;
    server.people = [];
    server.port = await reservePort();
    await server.run();
    return server;
  }

  async run() {
    const settings = {
      PARLOR_LISTEN: `127.0.0.1:${this.port.number}`,
      PARLOR_DATA_DIR: this.dir,
      PARLOR_RATE_LIMITS: "off",
      PARLOR_WORKERS: "2",
      PARLOR_JWT_SECRET: "a secret for tests, of no use anywhere else",
    };
    this.process = spawn(PARLOR, ["serve"], { env: { ...ENVIRONMENT, ...settings, ...this.environment } });
    this.output = "";
    this.exited = new Promise((exited) => this.process.once("exit", exited));
    const listening = new Promise((resolve, reject) => {
      const read = (chunk) => {
        this.output += chunk;
        if (this.output.includes("Parlor is listening on")) resolve();
      };
      this.process.stdout.on("data", read);
      this.process.stderr.on("data", read);
      this.process.once("error", reject);
      this.process.once("exit", () => reject(new Error(`the server ended:\n${this.output}`)));
    });
    await soon(listening, "the server's start");
    this.url = `http://127.0.0.1:${this.port.number}`;
  }

  async crash() {
    this.process.kill("SIGKILL");
    await soon(this.exited, "the server's end");
  }

  async restart(signal = "SIGTERM") {
    this.process.kill(signal);
    await soon(this.exited, "the server's end");
    await this.run();
  }

  async stop() {
    // A client that a failed test left behind would keep this process alive.
    for (const tab of this.people.flatMap((person) => person.tabs)) tab.leaves();
    await this.crash();
    await this.port.release();
    await rm(this.dir, { recursive: true, force: true });
  }

  async person(name) {
    const body = { username: name, password: "correct horse battery" };
    const { token, user } = await request(this.url, "POST", "/api/auth/register", null, body);
    const person = new Person(this, name, token, user);
    this.people.push(person);
    return person;
  }
}

async function request(url, method, path, token, body) {
  const headers = { "content-type": "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  const response = await fetch(url + path, { method, headers, body: body && JSON.stringify(body) });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

export class Person {
  constructor(server, name, token, user) {
    Object.assign(this, { server, name, token, user, id: user.id, tabs: [] });
  }

  call(method, path, body) {
    return request(this.server.url, method, path, this.token, body);
  }

  async directWith(other) {
    const answer = await this.call("POST", "/api/conversations/find-or-create", { otherUserId: other.id });
    return answer.conversationId;
  }

  async group(name, members) {
    const memberIds = members.map((member) => member.id);
    const answer = await this.call("POST", "/api/conversations", { kind: "group", name, memberIds });
    return answer.conversation.id;
  }

  posts(conversationId, content) {
    return this.call("POST", `/api/conversations/${conversationId}/messages`, { content });
  }

  /** A stock client that does not connect yet. */
  client(options = {}) {
    const socket = io(this.server.url, {
      auth: { token: this.token },
      forceNew: true,
      autoConnect: false,
      reconnectionDelay: 50,
      reconnectionDelayMax: 200,
      ...options,
    });
    const tab = new Tab(this, socket);
    this.tabs.push(tab);
    return tab;
  }

  async connect(options) {
    const tab = this.client(options);
    tab.socket.connect();
    await tab.sees("ready");
    return tab;
  }
}

/** A client and a log of everything that it was told. */
export class Tab {
  constructor(person, socket) {
    this.person = person;
    this.socket = socket;
    this.log = [];
    this.waiting = [];
    socket.onAny((event, ...args) => this.note(event, args));
    for (const event of ["connect", "connect_error", "disconnect"]) {
      socket.on(event, (...args) => this.note(event, args));
    }
  }

  note(event, args) {
    this.log.push({ event, data: args[0], args, at: this.log.length });
    this.waiting = this.waiting.filter((check) => !check());
  }

  events(name) {
    return this.log.filter((entry) => entry.event === name);
  }

  /** What was said in a conversation, as this client was told live. */
  texts(conversationId) {
    const messages = this.events("new_message").map((entry) => entry.data);
    return messages.filter((message) => message.conversationId === conversationId).map((message) => message.content);
  }

  /** Waits until an event is in the log behind `after` entries. */
  sees(event, matches = () => true, after = 0) {
    const look = () => this.log.slice(after).find((entry) => entry.event === event && matches(entry.data, entry));
    return this.until(look, `${this.person.name} sees ${event}`);
  }

  until(look, what) {
    const found = look();
    if (found) return Promise.resolve(found);
    const seen = new Promise((resolve) => {
      this.waiting.push(() => {
        const found = look();
        if (found) resolve(found);
        return Boolean(found);
      });
    });
    return soon(seen, what).catch((error) => {
      const tail = this.log.slice(-15).map((entry) => `${entry.event} ${JSON.stringify(entry.args)?.slice(0, 160)}`);
      const { output } = this.person.server;
      throw new Error(`${error.message}; its log ends:\n${tail.join("\n")}\nand the server's:\n${output.slice(-2000)}`);
    });
  }

  /** Emits and gives the data of the answer, which must be good. */
  async asks(event, data) {
    const answer = await this.socket.timeout(DEADLINE).emitWithAck(event, data);
    assert.equal(answer.ok, true, `${event}: ${JSON.stringify(answer)}`);
    return answer.data;
  }

  async sends(conversationId, content) {
    const { message } = await this.asks("send_message", { conversationId, content });
    return message;
  }

  /** Cuts the connection as a network would: the client is not asked. */
  drops() {
    const { engine } = this.socket.io;
    if (engine.transport.name === "websocket") engine.transport.ws.close();
    else engine.transport.onError("cut by the test");
  }

  leaves() {
    this.socket.disconnect();
  }
}
