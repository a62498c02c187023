// Accessibility, as far as a program can judge it: axe-core, run in the page as it stands.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

const SOURCE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Nothing on the page is a serious or critical hindrance. @param {import('./person.js').Person} person @param {string} state */
export async function isAccessible(person, state) {
  const { page } = person;
  // By the debugger, which no policy binds: the page itself could load no such script.
  await page.evaluate(SOURCE);
  const violations = await page.evaluate(async () => {
    const axe = Reflect.get(globalThis, 'axe');
    const { violations } = await axe.run(document, { resultTypes: ['violations'] });
    return /** @type {import('axe-core').Result[]} */ (violations).map(({ id, impact, help, nodes }) => ({
      id,
      impact,
      help,
      where: nodes.slice(0, 3).map(({ target, failureSummary }) => `${target.join(' ')}: ${failureSummary}`),
    }));
  });
  const bad = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  assert.deepEqual(bad, [], state);
}
