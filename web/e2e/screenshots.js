// Pictures of the main states, as people see them: `npm run screenshots -- <folder>`. Light and dark, wide and on a phone.
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { launch } from './harness/browser.js';
import { Person } from './harness/person.js';
import { Server } from './harness/server.js';
import { throughTheStates } from './harness/states.js';

const [folder] = process.argv.slice(2);
if (!folder) {
  console.error('usage: npm run screenshots -- <folder>');
  process.exit(2);
}
const into = resolve(process.env['INIT_CWD'] ?? '.', folder);
await mkdir(into, { recursive: true });

const WIDE = { viewport: { width: 1200, height: 760 }, reducedMotion: /** @type {const} */ ('reduce') };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const LOOKS = [
  { name: 'wide-light', how: { ...WIDE, colorScheme: /** @type {const} */ ('light') } },
  { name: 'wide-dark', how: { ...WIDE, colorScheme: /** @type {const} */ ('dark') } },
  { name: 'phone-light', how: { ...PHONE, colorScheme: /** @type {const} */ ('light') } },
  { name: 'phone-dark', how: { ...PHONE, colorScheme: /** @type {const} */ ('dark') } },
];

const browser = await launch();
try {
  for (const { name, how } of LOOKS) {
    const server = new Server();
    await server.start();
    const newcomer = (/** @type {string} */ called, /** @type {import('playwright-core').BrowserContextOptions} */ how = {}) =>
      Person.with(browser, server, called, how);
    const person = async (/** @type {string} */ called, /** @type {import('playwright-core').BrowserContextOptions} */ how = {}) => {
      const somebody = await newcomer(called, how);
      await somebody.hasAnAccount();
      await somebody.opens('/');
      return somebody;
    };
    try {
      await throughTheStates({ server, newcomer, person }, how, async (state, alice) => {
        const file = join(into, `${name}-${state}.png`);
        await alice.page.screenshot({ path: file });
        console.log(file);
      });
    } finally {
      await server.end();
    }
  }
} finally {
  await browser.close();
}
