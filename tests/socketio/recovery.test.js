// Connection state recovery as the stock client knows it: what was missed is told when it comes back, once and in order,
// also after a restart of the server; and who may not have it any more does not get it.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Server, TRANSPORTS } from "./harness.js";

let server;
before(async () => {
  server = await Server.start();
});
after(() => server.stop());

let serial = 0;
async function people(...names) {
  serial += 1;
  return Promise.all(names.map((name) => server.person(`${name}${serial}`)));
}

/** Keeps a client from coming back until it is told to. */
async function away(tab, meanwhile) {
  tab.socket.io.reconnection(false);
  const before = tab.log.length;
  tab.drops();
  await tab.sees("disconnect", undefined, before);
  await meanwhile();
  const from = tab.log.length;
  tab.socket.connect();
  await tab.sees("ready", undefined, from);
  return from;
}

for (const [name, options] of TRANSPORTS) {
  describe(name, () => {
    test("what was missed is told, once and in order, however often one goes", async () => {
      const [alice, bob] = await people("alice", "bob");
      const chat = await alice.directWith(bob);
      const other = await alice.group("others", [bob]);
      const tab = await bob.connect(options);
      assert.equal(tab.socket.recovered, false);
      const expected = [];
      const { id } = tab.socket;
      for (let round = 0; round < 3; round += 1) {
        await alice.posts(chat, `live ${round}`);
        await tab.until(() => tab.texts(chat).includes(`live ${round}`), "what is live");
        await away(tab, async () => {
          await alice.posts(chat, `missed ${round}`);
          await alice.posts(other, `elsewhere ${round}`);
        });
        assert.equal(tab.socket.recovered, true);
        assert.equal(tab.socket.id, id);
        await alice.posts(chat, `after ${round}`);
        await tab.until(() => tab.texts(chat).includes(`after ${round}`), "what comes after");
        expected.push(`live ${round}`, `missed ${round}`, `after ${round}`);
        assert.deepEqual(tab.texts(chat), expected);
        await tab.until(() => tab.texts(other).length === round + 1, "the other conversation");
      }
      assert.deepEqual(tab.texts(other), ["elsewhere 0", "elsewhere 1", "elsewhere 2"]);
      tab.leaves();
    });

    test("somebody who was told nothing yet, and a deletion", async () => {
      const [alice, bob] = await people("alice", "bob");
      const chat = await alice.directWith(bob);
      const { message } = await alice.posts(chat, "oops");
      const tab = await bob.connect(options);
      await away(tab, () => alice.call("DELETE", `/api/conversations/${chat}/messages/${message.id}`));
      assert.equal(tab.socket.recovered, true);
      const { data } = await tab.sees("message_deleted");
      assert.equal(data.messageId, message.id);
      tab.leaves();
    });

    test("after a restart of the server the client comes back by itself and has missed nothing", async () => {
      const [alice, bob] = await people("alice", "bob");
      const chat = await alice.directWith(bob);
      const tab = await bob.connect(options);
      await alice.posts(chat, "before");
      await tab.until(() => tab.texts(chat).length === 1, "before");
      for (const signal of ["SIGKILL", "SIGTERM"]) {
        const from = tab.log.length;
        await server.restart(signal);
        await alice.posts(chat, signal);
        await tab.sees("ready", undefined, from);
        assert.equal(tab.socket.recovered, true, signal);
        await tab.until(() => tab.texts(chat).includes(signal), signal);
      }
      assert.deepEqual(tab.texts(chat), ["before", "SIGKILL", "SIGTERM"]);
      tab.leaves();
    });
  });
}

test("memberships that changed are told", async () => {
  const [alice, bob] = await people("alice", "bob");
  const kept = await alice.group("kept", [bob]);
  const lost = await alice.group("lost", [bob]);
  const gone = await alice.group("gone", [bob]);
  const tab = await bob.connect();
  let won;
  const from = await away(tab, async () => {
    await alice.posts(lost, "not for him");
    await alice.call("DELETE", `/api/conversations/${lost}/members/${bob.id}`);
    await alice.call("DELETE", `/api/conversations/${gone}`);
    won = await alice.group("won", [bob]);
    await alice.posts(kept, "for him");
  });
  assert.equal(tab.socket.recovered, true);
  await tab.until(() => tab.texts(kept).length === 1, "the kept one");
  await tab.sees("conversation_created", (data) => data.conversation.id === won);
  const reasons = Object.fromEntries(
    tab.log.slice(from).filter((e) => e.event === "conversation_removed").map((e) => [e.data.conversationId, e.data.reason]),
  );
  assert.deepEqual(reasons, { [lost]: "removed", [gone]: "deleted" });
  assert.deepEqual(tab.texts(lost), []);
  // Told once: coming back again tells nothing anew.
  const again = await away(tab, () => alice.posts(won, "hello"));
  await tab.until(() => tab.texts(won).length === 1, "the won one");
  const told = tab.log.slice(again).map((entry) => entry.event);
  assert.equal(told.includes("conversation_removed") || told.includes("conversation_created"), false, told.join());
  tab.leaves();
});

test("live news of memberships count too", async () => {
  const [alice, bob] = await people("alice", "bob");
  const tab = await bob.connect();
  const late = await alice.group("late", [bob]);
  await tab.sees("conversation_created");
  const from = await away(tab, () => alice.posts(late, "missed"));
  assert.equal(tab.socket.recovered, true);
  await tab.until(() => tab.texts(late).length === 1, "the missed one");
  assert.equal(tab.log.slice(from).some((entry) => entry.event === "conversation_created"), false);
  await alice.call("DELETE", `/api/conversations/${late}/members/${bob.id}`);
  await tab.sees("conversation_removed");
  const again = await away(tab, () => alice.posts(late, "not for him"));
  assert.equal(tab.socket.recovered, true);
  assert.equal(tab.log.slice(again).some((entry) => entry.event === "conversation_removed"), false);
  assert.deepEqual(tab.texts(late), ["missed"]);
  tab.leaves();
});

test("more than 1000 changes, a strange pid, another user: a fresh start", async () => {
  const [alice, bob, carol] = await people("alice", "bob", "carol");
  const chat = await alice.directWith(bob);
  const speaker = await alice.connect();
  const tab = await bob.connect();
  await away(tab, async () => {
    for (let said = 0; said < 1001; said += 77) {
      await Promise.all(Array.from({ length: 77 }, (_, i) => speaker.sends(chat, `${said + i}`)));
    }
  });
  assert.equal(tab.socket.recovered, false);
  assert.deepEqual(tab.texts(chat), []);
  await away(tab, () => alice.posts(chat, "more"));
  assert.equal(tab.socket.recovered, true);
  await tab.until(() => tab.texts(chat).length === 1, "what was missed since");

  const pid = tab.socket._pid;
  for (const shown of ["", "x", "-", pid.slice(0, -1), `${pid}AAAA`, "A".repeat(30_000)]) {
    tab.socket._pid = shown;
    await away(tab, async () => {});
    assert.equal(tab.socket.recovered, false, shown.slice(0, 50));
  }
  // An offset that is not of this pid says nothing; what cannot be read at all is not trusted.
  tab.socket._lastOffset = "AAAAAAAA";
  await away(tab, async () => {});
  assert.equal(tab.socket.recovered, true);
  for (const offset of ["-", "x", "AAAA", "____", "A".repeat(2000)]) {
    tab.socket._lastOffset = offset;
    await away(tab, async () => {});
    assert.equal(tab.socket.recovered, false, offset.slice(0, 50));
  }
  // Carol shows what was bob's.
  const thief = carol.client();
  thief.socket._pid = pid;
  thief.socket.connect();
  await thief.sees("ready");
  assert.equal(thief.socket.recovered, false);
  assert.deepEqual(thief.events("conversation_removed"), []);
  for (const one of [speaker, tab, thief]) one.leaves();
});

test("clients that come and go while others talk miss nothing and hear nothing twice", async () => {
  const [alice, bob] = await people("alice", "bob");
  const chat = await alice.directWith(bob);
  const speaker = await alice.connect();
  const tabs = await Promise.all(TRANSPORTS.map(([, options]) => bob.connect(options)));
  const texts = Array.from({ length: 400 }, (_, i) => `${i}`);
  let done = false;
  const restless = Promise.all(
    tabs.map(async (tab) => {
      while (!done) {
        const from = tab.log.length;
        tab.drops();
        await tab.sees("ready", undefined, from);
        assert.equal(tab.socket.recovered, true);
        await tab.until(() => done || tab.log.length > from + 8, "something to be said");
      }
    }),
  );
  for (const text of texts) await speaker.sends(chat, text);
  done = true;
  for (const tab of tabs) tab.note("the test", []);
  await restless;
  for (const tab of tabs) {
    await tab.until(() => tab.texts(chat).length >= texts.length, "everything");
    assert.deepEqual(tab.texts(chat), texts);
    tab.leaves();
  }
  speaker.leaves();
});

test("edits and reactions that were missed are told as what they are", async () => {
  const [alice, bob] = await people("alice", "bob");
  const chat = await alice.directWith(bob);
  const { message } = await alice.posts(chat, "frist");
  const tab = await bob.connect();
  const path = `/api/conversations/${chat}/messages/${message.id}`;
  const from = await away(tab, async () => {
    await alice.call("PATCH", path, { content: "first" });
    await alice.call("PUT", `${path}/reactions/heart`);
    await alice.posts(chat, "second");
  });
  assert.equal(tab.socket.recovered, true);
  await tab.until(() => tab.texts(chat).includes("second"), "the last of it");
  const told = tab.log.slice(from).filter((entry) => typeof entry.args.at(-1) === "string");
  assert.deepEqual(told.map((entry) => entry.event), ["message_edited", "reaction_updated", "new_message"]);
  assert.deepEqual(told.map((entry) => entry.data.seq), [2, 3, 4]);
  assert.equal(told[0].data.message.content, "first");
  // Live they have an offset as well: nothing of it is told again.
  await alice.call("PATCH", path, { content: "the first" });
  await tab.sees("message_edited", (data) => data.seq === 5);
  const again = await away(tab, async () => {});
  assert.equal(tab.socket.recovered, true);
  await tab.asks("get_presence", { userIds: [] });
  assert.equal(tab.log.slice(again).some((entry) => entry.event === "message_edited"), false);
  tab.leaves();
});
