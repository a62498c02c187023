// One person with two tabs: what is read in one is read in the other.
import { story } from '../harness/story.js';

story('what is read in one tab is read in the other', async ({ person }) => {
  const [alice, bob] = [await person('alice'), await person('bob')];
  const first = bob.page;
  const second = await bob.opensATab();
  const hers = await alice.startsAChatWith(bob);
  await hers.says('one');
  await hers.says('two');

  await bob.seesUnread('Alice', 2);
  await bob.turnsTo(first);
  await bob.seesUnread('Alice', 2);
  const his = await bob.turnsToTheChat('Alice');
  await his.sees('two');
  await bob.seesUnread('Alice', 0);
  await bob.turnsTo(second);
  await bob.seesUnread('Alice', 0);
  await hers.seesItReadBy('two', 1);
});

story('what is written in one tab is seen in the other', async ({ person }) => {
  const [alice, bob] = [await person('alice'), await person('bob')];
  const here = await alice.startsAChatWith(bob);
  await here.says('from the first tab');
  await alice.opensATab();
  const there = await alice.turnsToTheChat('Bob');
  await there.sees('from the first tab');
  await there.says('from the second tab');
  await here.sees('from the second tab');
});
