// Everybody can use it: no serious hindrance on any main state, in light and in dark.
import assert from 'node:assert/strict';
import { hindrances } from '../harness/axe.js';
import { throughTheStates } from '../harness/states.js';
import { story } from '../harness/story.js';

for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
  story(`axe finds no serious hindrance, in ${colorScheme} colours`, async (stage) => {
    /** @type {unknown[]} */
    const found = [];
    await throughTheStates(stage, { colorScheme, reducedMotion: 'reduce' }, async (state, { page }) => {
      for (const hindrance of await hindrances(page)) found.push({ state, ...hindrance });
    });
    assert.deepEqual(found, []);
  });
}

story('a conversation needs no pointer', async ({ person }) => {
  const [alice, bob] = [await person('alice'), await person('bob')];
  const his = await bob.startsAChatWith(alice);
  await his.says('Keys only, please.');
  await alice.conversation('Bob').focus();
  await alice.page.keyboard.press('Enter');
  const hers = await alice.chat('Bob');
  await hers.field.focus();
  await alice.page.keyboard.type('As you like.');
  await alice.page.keyboard.press('Enter');
  await his.sees('As you like.');
  await hers.saysThatItIsSent('As you like.');
  // Back to what was said: the arrows walk through it, its buttons are behind Tab.
  await alice.page.keyboard.press('ArrowUp');
  await alice.page.getByTestId('editing').waitFor();
  await alice.page.keyboard.type('!');
  await alice.page.keyboard.press('Enter');
  await his.sees('As you like.!');
});
