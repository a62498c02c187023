// How a story is told: `story('what happens', async ({ server, person }) => …)`. It gets a server of its own and people in browsers of
// their own; at its end, nothing may have happened on their pages that nobody asked for.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from './browser.js';
import { Person } from './person.js';
import { Server } from './server.js';

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/**
 * @typedef {object} Stage
 * @property {Server} server
 * @property {(name: string, how?: import('playwright-core').BrowserContextOptions) => Promise<Person>} person somebody with an
 *   account and a page, signed in
 * @property {(name: string, how?: import('playwright-core').BrowserContextOptions) => Promise<Person>} newcomer somebody without
 *   an account, who has opened the page
 */

/**
 * @param {string} name
 * @param {(stage: Stage) => Promise<void>} tell
 * @param {Record<string, string>} [settings]
 */
export function story(name, tell, settings) {
  test(name, { timeout: 180_000 }, async () => {
    const server = new Server(settings);
    /** @type {Person[]} */
    const people = [];
    /** @param {string} called @param {import('playwright-core').BrowserContextOptions} [how] */
    const newcomer = async (called, how) => {
      const somebody = await Person.with(browser, server, called, how);
      people.push(somebody);
      return somebody;
    };
    try {
      await server.start();
      await tell({
        server,
        newcomer,
        person: async (called, how) => {
          const somebody = await newcomer(called, how);
          await somebody.hasAnAccount();
          await somebody.opens('/');
          return somebody;
        },
      });
      for (const one of people) assert.deepEqual(one.surprises, [], `on ${one.name}'s page`);
    } catch (error) {
      for (const one of people) console.error(`---- ${one.name}: ${await one.view()}`);
      console.error(`---- the server:\n${server.said.split('\n').slice(-30).join('\n')}`);
      throw error;
    } finally {
      await Promise.all(people.map((one) => one.leaves()));
      await server.end();
    }
  });
}
