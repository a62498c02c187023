// Messages in both directions while a client moves from long polling to a websocket: none lost, none twice, all in order.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Server, soon } from "./harness.js";

let server;
before(async () => {
  server = await Server.start();
});
after(() => server.stop());

for (const round of [1, 2, 3]) {
  test(`messages through an upgrade under load, round ${round}`, async () => {
    const alice = await server.person(`alice${round}`);
    const bob = await server.person(`bob${round}`);
    const chat = await alice.directWith(bob);
    const a = await alice.connect();
    // The client's own upgrade, begun when there is much to say in both directions rather than at once.
    const b = await bob.connect({ upgrade: false });
    const { engine } = b.socket.io;
    assert.equal(engine.transport.name, "polling");
    let moving = true;
    const moved = new Promise((resolve) => engine.once("upgrade", resolve));
    // Both talk before, during and after it, however long it takes.
    const says = async (tab, name) => {
      const texts = [];
      for (let more = 25; more > 0; more -= moving ? 0 : 1) {
        const some = Array.from({ length: 10 }, (_, i) => `${name} ${texts.length + i}`);
        texts.push(...some);
        await Promise.all(some.map((text) => tab.sends(chat, text)));
      }
      return texts;
    };
    const answers = Promise.all([says(a, "to"), says(b, "by")]);
    await b.until(() => b.texts(chat).length > 50 * round, "some of it");
    engine._probe("websocket");
    await soon(moved, "the upgrade").finally(() => (moving = false));
    const [to, by] = await answers;
    const all = to.length + by.length;
    for (const tab of [a, b]) {
      await tab.until(() => tab.texts(chat).length === all, `${tab.person.name} sees all`);
    }
    assert.equal(engine.transport.name, "websocket");
    for (const tab of [a, b]) {
      const messages = tab.events("new_message").map((entry) => entry.data);
      assert.deepEqual(messages.map((message) => message.seq), Array.from({ length: all }, (_, i) => i + 1));
      const said = (prefix) => tab.texts(chat).filter((text) => text.startsWith(prefix));
      assert.deepEqual(said("to"), to);
      assert.deepEqual(said("by"), by);
      assert.equal(tab.events("disconnect").length, 0);
      tab.leaves();
    }
  });
}
