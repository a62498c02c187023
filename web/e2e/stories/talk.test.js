// Two people talk: each in a browser of their own.
import assert from 'node:assert/strict';
import { story } from '../harness/story.js';

story('two people meet and talk', async ({ newcomer }) => {
  const [alice, bob] = [await newcomer('alice'), await newcomer('bob')];
  await alice.createsAnAccount();
  await bob.createsAnAccount();

  const hers = await alice.startsAChatWith(bob);
  await hers.says('Hello Bob, are you there?');

  await bob.seesUnread('Alice', 1);
  const his = await bob.turnsToTheChat('Alice');
  await his.sees('Hello Bob, are you there?');
  await bob.seesUnread('Alice', 0);
  await hers.seesItReadBy('Hello Bob, are you there?', 1);

  await his.says('I am!');
  await hers.sees('I am!');
  assert.deepEqual(await hers.texts(), ['Hello Bob, are you there?', 'I am!']);
  assert.deepEqual(await his.texts(), await hers.texts());
});

story('one sees that the other is typing, and that they stopped', async ({ person }) => {
  const [alice, bob] = [await person('alice'), await person('bob')];
  const hers = await alice.startsAChatWith(bob);
  await hers.says('Where shall we meet?');
  const his = await bob.turnsToTheChat('Alice');

  await his.beginsToWrite('At the st');
  await hers.seesTyping('Bob is typing');
  await his.field.fill('');
  await hers.seesNobodyTyping();

  await his.beginsToWrite('At six');
  await hers.seesTyping('Bob is typing');
  await his.field.press('Enter');
  await hers.sees('At six');
  await hers.seesNobodyTyping();
});

story('an edit, a deletion and a reaction reach the other', async ({ person }) => {
  const [alice, bob] = [await person('alice'), await person('bob')];
  const hers = await alice.startsAChatWith(bob);
  await hers.says('See you at fife');
  await hers.says('Oh, and bring the dog');
  const his = await bob.turnsToTheChat('Alice');
  await his.sees('Oh, and bring the dog');

  await hers.edits('See you at fife', 'See you at five');
  await his.message('See you at five').getByTestId('message-edited').waitFor();

  await his.reactsTo('See you at five', 'heart');
  await hers.seesReaction('See you at five', 'heart', 1);
  await hers.message('See you at five').getByTestId('reaction').click();
  await his.seesReaction('See you at five', 'heart', 2);
  await his.message('See you at five').getByTestId('reaction').click();
  await hers.seesReaction('See you at five', 'heart', 1);

  await hers.deletes('Oh, and bring the dog');
  await his.message('Oh, and bring the dog').waitFor({ state: 'detached' });
  await his.page.getByTestId('message-deleted').waitFor();
  assert.deepEqual(await his.texts(), ['See you at five']);
});

story('whoever signs out is out, and comes back with the password', async ({ person }) => {
  const alice = await person('alice');
  await alice.signsOut();
  await alice.signsIn('not the password');
  await alice.page.getByRole('alert').waitFor();
  await alice.signsIn();
  await alice.isConnected();
  await alice.accountButton.waitFor();
});
