// A room with a password, joined by its link.
import { story } from '../harness/story.js';

story('a room with a password lets in who knows it', async ({ person }) => {
  const [alice, bob] = [await person('alice'), await person('bob')];
  const hers = await alice.makesARoom({ name: 'Surprise party', password: 'cake' });
  await hers.says('Not a word to Carol.');
  const link = await hers.copiesTheInviteLink();

  await bob.page.goto(new URL(link).pathname);
  await bob.joins('biscuit');
  await bob.page.getByRole('dialog').getByRole('alert').waitFor();
  await bob.joins('cake');
  const his = await bob.chat('Surprise party');
  await his.sees('Not a word to Carol.');
  await his.says('My lips are sealed.');
  await hers.sees('My lips are sealed.');
});
