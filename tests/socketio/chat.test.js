// Two people talk over stock clients, with every choice of transports.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Server, TRANSPORTS } from "./harness.js";

let server;
before(async () => {
  server = await Server.start();
});
after(() => server.stop());

let serial = 0;
async function pair(options) {
  serial += 1;
  const alice = await server.person(`alice${serial}`);
  const bob = await server.person(`bob${serial}`);
  const chat = await alice.directWith(bob);
  return { alice, bob, chat, a: await alice.connect(options), b: await bob.connect(options) };
}

for (const [name, options] of TRANSPORTS) {
  describe(name, () => {
    test("two users chat: answers, events, payloads as on /ws", async () => {
      const { alice, a, b, chat } = await pair(options);
      const ready = a.events("ready")[0];
      assert.deepEqual(ready.args.length, 1);
      assert.equal(ready.data.user.id, alice.id);
      assert.equal(ready.data.sessionId, a.socket.id);
      const joined = await b.asks("join_conversation", { conversationId: chat });
      assert.deepEqual(joined.messages, []);
      const sent = await a.sends(chat, "hello \u2028 \"\\ \u{1f600}");
      const { data } = await b.sees("new_message");
      assert.deepEqual(data, sent);
      assert.equal(data.content, "hello \u2028 \"\\ \u{1f600}");
      assert.equal(data.seq, 1);
      a.leaves();
      b.leaves();
    });

    test("callbacks, emitWithAck and timeout() get answers good and bad", async () => {
      const { a, b, chat } = await pair(options);
      const answer = await new Promise((got) => a.socket.emit("send_message", { conversationId: chat, content: "x" }, got));
      assert.equal(answer.ok, true);
      assert.equal(answer.data.message.content, "x");
      const bad = await a.socket.timeout(5000).emitWithAck("send_message", { conversationId: chat, content: " " });
      assert.equal(bad.ok, false);
      assert.equal(bad.error.code, "VALIDATION_ERROR");
      const unknown = await a.socket.emitWithAck("no_such_event", {});
      assert.equal(unknown.error.code, "VALIDATION_ERROR");
      const nothing = await a.socket.emitWithAck("get_presence");
      assert.equal(nothing.error.code, "VALIDATION_ERROR");
      const extra = await a.socket.emitWithAck("get_presence", { userIds: [] }, "more");
      assert.equal(extra.error.code, "VALIDATION_ERROR");
      const stranger = "0199c5a4-7a3e-7c3a-9d35-0a1b2c3d4e5f";
      const lost = await a.socket.emitWithAck("send_message", { conversationId: stranger, content: "x" });
      assert.equal(lost.error.code, "NOT_FOUND");
      a.leaves();
      b.leaves();
    });

    test("without a callback failures are reported by the event error", async () => {
      const { a, b } = await pair(options);
      a.socket.emit("send_message", { nothing: true });
      const { data } = await a.sees("error");
      assert.equal(data.code, "VALIDATION_ERROR");
      assert.equal(data.event, "send_message");
      assert.equal(a.socket.connected, true);
      a.leaves();
      b.leaves();
    });

    test("binary events are answered, and the connection lives on", async () => {
      const { a, b, chat } = await pair(options);
      const content = Buffer.from([1, 2, 3]);
      const answer = await a.socket.emitWithAck("send_message", { conversationId: chat, content, more: new Uint8Array(9) });
      assert.equal(answer.ok, false);
      assert.equal(answer.error.code, "VALIDATION_ERROR");
      a.socket.emit("send_message", { content });
      const { data } = await a.sees("error");
      assert.equal(data.event, "send_message");
      await a.sends(chat, "still here");
      a.leaves();
      b.leaves();
    });

    test("typing reaches viewers, and a client that leaves is gone for others", async () => {
      const { alice, a, b, chat } = await pair(options);
      await b.asks("join_conversation", { conversationId: chat });
      await a.asks("join_conversation", { conversationId: chat });
      await b.asks("typing_start", { conversationId: chat });
      await a.sees("user_typing", (data) => data.conversationId === chat);
      a.leaves();
      await b.sees("user_offline", (data) => data.userId === alice.id);
      b.leaves();
    });

    test("large messages both ways, in the order of sending", async () => {
      const { a, b, chat } = await pair(options);
      const texts = Array.from({ length: 60 }, (_, i) => `${i} ${"\u{1f600}".repeat(1900)}`);
      await Promise.all(texts.map((text) => a.sends(chat, text)));
      await b.until(() => b.texts(chat).length === texts.length, "all of it");
      assert.deepEqual(b.texts(chat), texts);
      a.leaves();
      b.leaves();
    });

    test("no token, a bad one, another namespace", async () => {
      const carol = await server.person(`carol${++serial}`);
      for (const auth of [{}, { token: "nonsense" }, { token: 7 }, { token: carol.token.slice(0, -2) }]) {
        const tab = carol.client({ ...options, auth });
        tab.socket.connect();
        const { data } = await tab.sees("connect_error");
        assert.equal(data.data.code, "UNAUTHORIZED", JSON.stringify(auth));
        assert.equal(data.data.retryable, false);
        assert.equal(typeof data.message, "string");
        assert.equal(tab.socket.active, false);
        tab.leaves();
      }
      const tab = await carol.connect(options);
      const other = tab.socket.io.socket("/other", { auth: { token: carol.token } });
      const refused = new Promise((resolve) => other.once("connect_error", resolve));
      other.connect();
      assert.equal((await refused).message, "Invalid namespace");
      assert.equal(tab.socket.connected, true);
      await tab.asks("get_presence", { userIds: [carol.id] });
      tab.leaves();
    });

    test("whoever is sent away is told why, and once", async () => {
      const erin = await server.person(`erin${++serial}`);
      const tab = await erin.connect(options);
      await erin.call("POST", "/api/auth/logout");
      const { data } = await tab.sees("disconnect");
      assert.equal(data, "io server disconnect");
      assert.deepEqual(
        tab.events("error").map((entry) => entry.data.closeCode),
        [4401],
      );
      assert.equal(tab.events("disconnect").length, 1);
      tab.leaves();
    });

    test("a token that comes as a header, or in the query, is taken too", async () => {
      const dave = await server.person(`dave${++serial}`);
      const byQuery = await dave.connect({ ...options, auth: {}, query: { token: dave.token } });
      assert.equal(byQuery.events("ready")[0].data.user.id, dave.id);
      const extraHeaders = { authorization: `Bearer ${dave.token}` };
      const byHeader = await dave.connect({ ...options, auth: {}, extraHeaders });
      assert.equal(byHeader.events("ready")[0].data.user.id, dave.id);
      byQuery.leaves();
      byHeader.leaves();
    });
  });
}

test("the default client moves to a websocket and says so to administrators", async () => {
  const { a, b } = await pair({});
  const { engine } = a.socket.io;
  if (engine.transport.name !== "websocket") {
    await new Promise((moved) => engine.once("upgrade", moved));
  }
  assert.equal(engine.transport.name, "websocket");
  a.leaves();
  b.leaves();
});
