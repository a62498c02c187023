// The README's examples, in their order, and the short one of the repository's README: type-checked, then run against the real
// server.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Window } from 'happy-dom';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { Server } from '../help/server.js';
import type { Parlor } from '../../src/index.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const place = `${root}test/readme/`;
let server: Server;

interface Block {
  language: string;
  code: string;
}

function blocks(): Block[] {
  const text = readFileSync(`${root}README.md`, 'utf8');
  const found = text.matchAll(/```(tsx?)\n([\s\S]*?)```/g);
  return [...found].map(([, language, code]) => ({ language: language ?? '', code: code ?? '' }));
}

/** The blocks as one module: imports first, the rest in a function. */
function story(): string {
  const run = blocks().filter(({ language }) => language === 'ts');
  const isImport = (line: string) => line.startsWith('import ');
  const imports = [...new Set(run.flatMap(({ code }) => code.split('\n').filter(isImport)))];
  const body = run.map(({ code }) => code.split('\n').filter((line) => !isImport(line)).join('\n'));
  const head = 'declare const render: (...all: unknown[]) => void;';
  return `${imports.join('\n')}\n${head}\nexport async function story() {\n${body.join('\n')}\nreturn { parlor, carol, chat };\n}\n`;
}

/** The block of the repository's README that uses the client. */
function short(): string {
  const text = readFileSync(`${root}../../README.md`, 'utf8');
  const code = /```js\n(import \{ Parlor \}[\s\S]*?)```/.exec(text)?.[1] ?? '';
  const [first, ...rest] = code.split('\n');
  return `${first}\ndeclare const show: (messages: unknown) => void;\nexport async function short() {\n${rest.join('\n')}\nreturn parlor;\n}\n`;
}

function page(): string {
  const tsx = blocks().filter(({ language }) => language === 'tsx');
  return `import type { Parlor } from '@parlor/client';\ndeclare const parlor: Parlor;\n${tsx.map(({ code }) => code).join('\n')}`;
}

beforeAll(async () => {
  server = await Server.start();
  mkdirSync(place, { recursive: true });
  const adapted = (text: string) => text.replaceAll('https://chat.example', server.url);
  writeFileSync(`${place}story.ts`, adapted(story()));
  writeFileSync(`${place}short.ts`, adapted(short()));
  writeFileSync(`${place}page.tsx`, page());
  const storage = new Map<string, string>();
  vi.stubGlobal('localStorage', {
    get length() {
      return storage.size;
    },
    key: (at: number) => [...storage.keys()][at] ?? null,
    getItem: (key: string) => storage.get(key) ?? null,
    setItem: (key: string, value: string) => void storage.set(key, value),
    removeItem: (key: string) => void storage.delete(key),
  });
  const real = globalThis.fetch;
  vi.stubGlobal('fetch', (url: string, init?: RequestInit) =>
    url === '/parlor-token' ? Promise.resolve(new Response(server.token('alice'))) : real(url, init),
  );
  vi.stubGlobal('WebSocket', WebSocket);
  vi.stubGlobal('render', () => undefined);
  for (const user of ['bob', 'dave']) await server.call(user, 'GET', '/api/me');
});

afterAll(async () => {
  await server.end();
  rmSync(place, { recursive: true, force: true });
});

test('the examples have the right types', () => {
  const checked = spawnSync('npx', ['tsc', '--noEmit', '-p', 'tsconfig.readme.json'], { cwd: root, encoding: 'utf8' });
  expect(checked.stdout).toBe('');
});

test('the examples do what they say', async () => {
  const said = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  const { story } = (await import(/* @vite-ignore */ `${place}story.ts`)) as { story: () => Promise<Record<string, never>> };
  const { parlor, carol, chat } = (await story()) as unknown as Record<'parlor' | 'carol', Parlor> & {
    chat: { getSnapshot: () => { messages: { content: unknown }[] } };
  };
  expect(said.mock.calls.flat()).toContain('there is no such user');
  expect(chat.getSnapshot().messages.map(({ content }) => content)).toContain('How are you?');
  expect(parlor.user.getSnapshot()?.id).toBe('alice');
  expect(carol.user.getSnapshot()?.name).toBe('carol');
  parlor.disconnect();
  carol.disconnect();
  said.mockRestore();
});

test('the short example says hello', async () => {
  const shown: unknown[] = [];
  vi.stubGlobal('show', (messages: { content: unknown }[]) => shown.push(...messages.map(({ content }) => content)));
  const { short } = (await import(/* @vite-ignore */ `${place}short.ts`)) as { short: () => Promise<Parlor> };
  const parlor = await short();
  await vi.waitFor(() => expect(shown).toContain('Hello, Bob'), 10_000);
  parlor.disconnect();
});

test('the page shows a chat and sends', async () => {
  const window = new Window();
  vi.stubGlobal('window', window);
  vi.stubGlobal('document', window.document);
  vi.stubGlobal('navigator', window.navigator);
  const alice = server.client('alice');
  vi.stubGlobal('parlor', alice);
  await server.call('alice', 'POST', '/api/conversations/find-or-create', { otherUserId: 'bob' });
  const { createRoot } = await import('react-dom/client');
  const { createElement } = await import('react');
  const { App } = (await import(/* @vite-ignore */ `${place}page.tsx`)) as { App: () => null };
  const container = window.document.createElement('div');
  window.document.body.append(container);
  const rendered = createRoot(container as unknown as Element);
  rendered.render(createElement(App));
  const shows = (text: string) => vi.waitFor(() => expect(container.textContent).toContain(text), 10_000);
  await shows('How are you?');
  const field = container.querySelector('input') as unknown as HTMLInputElement;
  const form = container.querySelector('form') as unknown as HTMLFormElement;
  // React looks at what the prototype's setter was given.
  Object.getOwnPropertyDescriptor(window.HTMLInputElement.prototype, 'value')?.set?.call(field, 'From the page');
  field.dispatchEvent(new window.Event('input', { bubbles: true }) as unknown as Event);
  await vi.waitFor(() => expect(field.value).toBe('From the page'), 10_000);
  form.dispatchEvent(new window.Event('submit', { bubbles: true, cancelable: true }) as unknown as Event);
  await shows('alice: From the page');
  rendered.unmount();
  await vi.waitFor(() => expect(alice.state.getSnapshot().status).toBe('disconnected'), 10_000);
});
