// The server dies in the middle of a conversation: kill -9, as a power cut would.
import assert from 'node:assert/strict';
import { story } from '../harness/story.js';

story('the server is killed in the middle of a conversation, and nothing is lost', async ({ person, server }) => {
  const [alice, bob] = [await person('alice'), await person('bob')];
  const hers = await alice.startsAChatWith(bob);
  await hers.says('before');
  const his = await bob.turnsToTheChat('Alice');
  await his.sees('before');

  await server.kill();
  await alice.seesThatTheConnectionIsLost();
  await bob.seesThatTheConnectionIsLost();
  await hers.writes('while it was away, from Alice');
  await his.writes('while it was away, from Bob');

  await server.start();
  await alice.isConnected();
  await bob.isConnected();
  for (const chat of [hers, his]) {
    await chat.saysThatItIsSent('while it was away, from Alice');
    await chat.saysThatItIsSent('while it was away, from Bob');
  }
  await hers.says('after');
  await his.sees('after');
  const texts = await hers.texts();
  assert.equal(texts.length, 4, texts.join(', '));
  assert.deepEqual(await his.texts(), texts, 'both see one order');
});

story('what was written without a connection survives a reload', async ({ person, server }) => {
  const [alice, bob] = [await person('alice'), await person('bob')];
  const hers = await alice.startsAChatWith(bob);
  await hers.says('before');
  const his = await bob.turnsToTheChat('Alice');
  await server.kill();
  await alice.seesThatTheConnectionIsLost();
  await hers.writes('into the void');
  await server.start();
  await alice.page.reload();
  await his.sees('into the void');
  await hers.saysThatItIsSent('into the void');
});
