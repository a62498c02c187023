// The main states of the page, one after the other: what axe looks at and what screenshots are made of.
import { png } from './png.js';

/**
 * Leads two people through the page, and stops at each state that is worth a look.
 * @param {import('./story.js').Stage} stage
 * @param {import('playwright-core').BrowserContextOptions} how how Alice looks at it
 * @param {(state: string, alice: import('./person.js').Person) => Promise<void>} look
 */
export async function throughTheStates({ person, newcomer }, how, look) {
  const bob = await person('bob');
  const carol = await person('carol');
  const alice = await newcomer('alice', how);
  await alice.page.goto('/');
  await alice.button('Create an account').waitFor();
  await look('sign-in', alice);
  await alice.hasAnAccount();
  await alice.opens('/');
  await alice.button('Start one').waitFor();
  await look('nothing-yet', alice);

  await bob.asks('POST', '/api/conversations', { kind: 'channel', name: 'general', memberIds: [alice.id, carol.id] });
  const { conversation: readers } = await carol.asks('POST', '/api/conversations', { kind: 'group', name: 'Book club', memberIds: [alice.id] });
  await carol.asks('POST', `/api/conversations/${readers.id}/messages`, { content: 'Chapter nine by Tuesday!' });
  const { conversationId: direct } = await bob.asks('POST', '/api/conversations/find-or-create', { otherUserId: alice.id });
  await bob.asks('POST', `/api/conversations/${direct}/messages`, { content: 'Did you get my letter?' });
  const { conversation: trip } = await carol.asks('POST', '/api/conversations', {
    kind: 'group',
    name: 'Weekend trip',
    memberIds: [alice.id, bob.id],
  });
  const say = (/** @type {import('./person.js').Person} */ who, /** @type {string} */ content) =>
    who.asks('POST', `/api/conversations/${trip.id}/messages`, { content });
  await say(carol, 'The hut is ours from Friday to Sunday.');
  await say(bob, 'I bring the stove. @alice, do you still have the large tent?');
  await alice.seesUnread('Weekend trip', 2);
  await look('list', alice);

  const hers = await alice.turnsToTheChat('Weekend trip');
  await hers.says('It is in the cellar, I will look tonight.');
  const { message } = await say(carol, 'Who has a picture of the way up?');
  await hers.sees('Who has a picture of the way up?');
  await hers.reactsTo('Who has a picture of the way up?', 'heart');
  await hers.seesReaction('Who has a picture of the way up?', 'heart', 1);
  await hers.sendsAPicture(png(352, 220));
  await hers.seesAPicture(352);
  await bob.asks('POST', `/api/conversations/${trip.id}/messages`, { content: 'Ask Alice! And: train at 8:10, platform 4.', replyToId: message.id });
  await hers.sees('Ask Alice! And: train at 8:10, platform 4.');
  const his = await bob.turnsToTheChat('Weekend trip');
  await his.sees('Ask Alice! And: train at 8:10, platform 4.');
  await his.beginsToWrite('and');
  await hers.seesTyping('Bob is typing');
  await alice.page.mouse.move(2, 2);
  await look('chat', alice);

  await alice.button('Details').click();
  await alice.page.getByTestId('member').first().waitFor();
  await look('details', alice);
  await alice.button('Close details').click();

  if (await alice.button('Back').isVisible()) await alice.button('Back').click();
  await alice.button('New conversation').click();
  const dialog = alice.page.getByRole('dialog', { name: 'New conversation' });
  await dialog.getByTestId('user-result').first().waitFor();
  await look('new-conversation', alice);
  await alice.page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });

  await alice.button('Search').click();
  const search = alice.page.getByRole('dialog', { name: 'Search' });
  await search.getByRole('searchbox').fill('tent');
  await search.getByTestId('search-result').first().waitFor();
  await look('search', alice);
  await search.getByRole('button', { name: 'Close' }).click();
  await search.waitFor({ state: 'detached' });

  await alice.accountButton.click();
  await alice.page.getByRole('dialog', { name: 'Account' }).waitFor();
  await look('account', alice);
}
