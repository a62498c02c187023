// What is not text: pictures and drawings.
import { png } from '../harness/png.js';
import { story } from '../harness/story.js';

story('a picture arrives as a picture', async ({ person }) => {
  const [alice, bob] = [await person('alice'), await person('bob')];
  const hers = await alice.startsAChatWith(bob);
  await hers.sendsAPicture(png(120, 80));
  await hers.seesAPicture(120);
  const his = await bob.turnsToTheChat('Alice');
  await his.seesAPicture(120);
});

story('what is no picture is refused in words', async ({ person }) => {
  const [alice, bob] = [await person('alice'), await person('bob')];
  const hers = await alice.startsAChatWith(bob);
  await hers.sendsAPicture(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'));
  await alice.page.getByText('this is no image/png').waitFor();
  await hers.says('That did not work.');
});

story('a drawing arrives as it was drawn', async ({ person }) => {
  const [alice, bob] = [await person('alice'), await person('bob')];
  const hers = await alice.startsAChatWith(bob);
  await hers.draws();
  await hers.seesInk();
  const his = await bob.turnsToTheChat('Alice');
  await his.seesInk();
});
