// Hostile strings, wherever people can put them: shown as they are, and nothing more.
import assert from 'node:assert/strict';
import { HOSTILE } from '../harness/hostile.js';
import { story } from '../harness/story.js';

const BATCH = 10;

/** What must not have come out of a string, in the whole page. */
function found() {
  const bad = document.querySelectorAll(
    'script:not([src^="/assets/"]), style, iframe, object, embed, base, form[action], svg script, animate, math, video, audio, marquee, template',
  );
  const handlers = [...document.querySelectorAll('*')].filter((element) => element.getAttributeNames().some((name) => name.startsWith('on')));
  const links = [...document.querySelectorAll('[href], [src]')].filter((element) => {
    const target = element.getAttribute('href') ?? element.getAttribute('src') ?? '';
    return /^\s*(javascript|data|vbscript):/i.test(target);
  });
  return [...bad, ...handlers, ...links].map((element) => element.outerHTML.slice(0, 200));
}

/** @param {import('../harness/person.js').Person} person */
async function isUnharmed(person) {
  assert.deepEqual(await person.page.evaluate(found), []);
  assert.equal(await person.page.evaluate(() => 'pwned' in globalThis && Reflect.get(globalThis, 'ran')), 0);
  assert.deepEqual(person.surprises, []);
}

/** Counts who calls it. @param {import('../harness/person.js').Person} person */
async function laysATrap(person) {
  await person.context.addInitScript(() => Object.assign(globalThis, { ran: 0, pwned: () => Reflect.set(globalThis, 'ran', Reflect.get(globalThis, 'ran') + 1) }));
  await person.page.reload();
  await person.isConnected();
}

story('two hundred hostile messages are shown as they are', async ({ person }) => {
  assert.equal(new Set(HOSTILE).size, 200);
  const alice = await person('alice', { viewport: { width: 1280, height: 1600 } });
  const mallory = await person('mallory');
  await laysATrap(alice);
  const hers = await alice.startsAChatWith(mallory);
  await hers.says('Now do your worst.');
  const conversation = new URL(alice.page.url()).searchParams.get('c');
  for (let at = 0; at < HOSTILE.length; at += BATCH) {
    const batch = HOSTILE.slice(at, at + BATCH);
    /** @type {string[]} */
    const ids = [];
    for (const content of batch) {
      const { message } = await mallory.asks('POST', `/api/conversations/${conversation}/messages`, { content });
      ids.push(message.id);
    }
    for (const [which, id] of ids.entries()) {
      const text = alice.page.locator(`[data-message-id="${id}"]`).getByTestId('message-text');
      await text.waitFor();
      assert.equal(await text.evaluate((element) => element.textContent), batch[which]);
    }
    await isUnharmed(alice);
  }
  // Whatever may be clicked in them leads to where it says.
  const links = await alice.page.getByTestId('message-text').locator('a').evaluateAll((all) => all.map((link) => link.getAttribute('href')));
  for (const link of links) assert.match(link ?? '', /^https?:\/\//);
});

story('hostile names of people and groups are shown as they are', async ({ person }) => {
  const alice = await person('alice');
  const mallory = await person('mallory');
  await laysATrap(alice);
  const names = HOSTILE.filter((name) => name.length <= 60).filter((_, at) => at % 8 === 0);
  assert.ok(names.length >= 10);
  for (const name of names) {
    await mallory.asks('PATCH', '/api/me', { displayName: name });
    const { conversation } = await mallory.asks('POST', '/api/conversations', { kind: 'group', name, memberIds: [alice.id] });
    await mallory.asks('POST', `/api/conversations/${conversation.id}/messages`, { content: `I am ${name}` });
    await alice.page.locator(`[data-conversation-id="${conversation.id}"]`).click();
    await alice.page.getByTestId('chat-title').getByText(name, { exact: true }).waitFor();
    await alice.page.getByTestId('message').filter({ hasText: `I am ${name}` }).waitFor();
    await isUnharmed(alice);
  }
  await alice.button('Details').click();
  await alice.page.getByTestId('member').first().waitFor();
  await isUnharmed(alice);
});

story('what would get through all the same is stopped by the policy, and seen by these stories', async ({ person }) => {
  const alice = await person('alice');
  const tries = await alice.page.evaluate(async () => {
    /** @param {() => unknown} deed */
    const refused = (deed) => {
      try {
        deed();
        return 'done';
      } catch (error) {
        return error instanceof TypeError ? 'refused' : String(error);
      }
    };
    const element = document.createElement('div');
    const script = document.createElement('script');
    const foreign = new Promise((resolve) => document.addEventListener('securitypolicyviolation', (event) => event.effectiveDirective === 'img-src' && resolve('refused')));
    const image = new Image();
    image.src = 'http://evil.test/pixel.png';
    return {
      html: refused(() => (element.innerHTML = '<b>bold</b>')),
      script: refused(() => (script.text = 'pwned(1)')),
      policy: refused(() => Reflect.get(globalThis, 'trustedTypes').createPolicy('mine', {})),
      image: await foreign,
      framed: window.top === window,
    };
  });
  assert.deepEqual(tries, { html: 'refused', script: 'refused', policy: 'refused', image: 'refused', framed: true });
  assert.ok(alice.surprises.length >= 3, alice.surprises.join('\n'));
  alice.surprises = [];
});
