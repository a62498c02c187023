// On a phone: one thing at a time, and nothing beyond the edge.
import assert from 'node:assert/strict';
import { throughTheStates } from '../harness/states.js';
import { story } from '../harness/story.js';

const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const SMALL = { ...PHONE, viewport: { width: 320, height: 568 } };

for (const how of [PHONE, SMALL]) {
  story(`nothing is wider than a phone of ${how.viewport.width} pixels`, (stage) =>
    throughTheStates(stage, how, async (state, alice) => {
      const width = await alice.page.evaluate(() => Math.max(document.documentElement.scrollWidth, document.body.scrollWidth));
      assert.ok(width <= how.viewport.width, `${state} is ${width} pixels wide`);
    }),
  );
}

story('on a phone one walks from the list into a conversation and back', async ({ person }) => {
  const [alice, bob] = [await person('alice', PHONE), await person('bob')];
  const his = await bob.startsAChatWith(alice);
  await his.says('Are you on the train?');
  await alice.conversation('Bob').tap();
  const hers = await alice.chat('Bob');
  await hers.sees('Are you on the train?');
  assert.equal(await alice.page.getByRole('navigation', { name: 'Conversations' }).isVisible(), false);
  await hers.field.fill('Yes, carriage 7.');
  await alice.button('Send').tap();
  await his.sees('Yes, carriage 7.');
  await alice.button('Back').tap();
  await alice.conversation('Bob').waitFor();
  assert.equal(await hers.field.isVisible(), false);
});
