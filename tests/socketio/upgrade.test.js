// Messages in both directions while a client moves from long polling to a websocket: none lost, none twice, all in order.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Server } from "./harness.js";

let server;
before(async () => {
  server = await Server.start();
});
after(() => server.stop());

for (const round of [1, 2, 3]) {
  test(`1000 messages through an upgrade under load, round ${round}`, async () => {
    const alice = await server.person(`alice${round}`);
    const bob = await server.person(`bob${round}`);
    const chat = await alice.directWith(bob);
    const a = await alice.connect();
    // The client's own upgrade, begun when there is much to say in both directions rather than at once.
    const b = await bob.connect({ upgrade: false });
    const { engine } = b.socket.io;
    assert.equal(engine.transport.name, "polling");
    const to = Array.from({ length: 500 }, (_, i) => `to ${i}`);
    const by = Array.from({ length: 500 }, (_, i) => `by ${i}`);
    const moved = new Promise((resolve) => engine.once("upgrade", () => resolve(b.texts(chat).length)));
    const answers = [];
    const says = async (tab, texts) => {
      for (let i = 0; i < texts.length; i += 10) {
        await Promise.all(texts.slice(i, i + 10).map((text) => tab.sends(chat, text)));
      }
    };
    answers.push(says(a, to), says(b, by));
    await b.until(() => b.texts(chat).length > 50 * round, "some of it");
    engine._probe("websocket");
    const before = await moved;
    assert.ok(before < 1000, "the upgrade came too late to be under load");
    for (const tab of [a, b]) {
      await tab.until(() => tab.texts(chat).length === 1000, `${tab.person.name} sees all`);
    }
    await Promise.all(answers);
    assert.equal(engine.transport.name, "websocket");
    for (const tab of [a, b]) {
      const messages = tab.events("new_message").map((entry) => entry.data);
      assert.deepEqual(messages.map((message) => message.seq), Array.from({ length: 1000 }, (_, i) => i + 1));
      const said = (prefix) => tab.texts(chat).filter((text) => text.startsWith(prefix));
      assert.deepEqual(said("to"), to);
      assert.deepEqual(said("by"), by);
      assert.equal(tab.events("disconnect").length, 0);
      tab.leaves();
    }
  });
}
