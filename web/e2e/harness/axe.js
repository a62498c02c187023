// Accessibility, as far as a program can judge it: axe-core, run in the page as it stands.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

const SOURCE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What on somebody's page is a serious or critical hindrance. @param {import('playwright-core').Page} page */
export async function hindrances(page) {
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
  return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
}
