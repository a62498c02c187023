// The client and the real server when things go wrong: a server killed, a page reloaded, a token that ends, a long absence.
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Message, Parlor } from '../../src/index.js';
import { Server } from '../help/server.js';
import { MemoryStorage } from '../help/storage.js';
import { until } from '../help/until.js';

let server: Server;
beforeEach(async () => void (server = await Server.start()));
afterEach(() => server.end());

/** The whole history, as the server has it. */
async function truth(id: string): Promise<Message[]> {
  const all: Message[] = [];
  for (let more = true; more; ) {
    const before = all[0] ? `&before=${all[0].id}` : '';
    const path = `/api/conversations/${id}/messages?limit=100&markRead=false${before}`;
    const page = await server.call<{ messages: Message[]; hasMore: boolean }>('alice', 'GET', path);
    all.unshift(...page.messages);
    more = page.hasMore;
  }
  return all;
}

test('a server that is killed again and again loses nothing and doubles nothing', async () => {
  const [alice, bob] = await Promise.all([server.connected('alice'), server.connected('bob')]);
  const chat = await alice.openDirect('bob');
  const same = bob.conversation(chat.id);
  chat.open();
  same.open();
  const sent: Promise<Message>[] = [];
  for (let round = 0; round < 4; round += 1) {
    for (let n = 0; n < 25; n += 1) {
      sent.push(chat.send(`a${round}.${n}`), same.send(`b${round}.${n}`));
      if (n === 12) await sent.at(-1);
    }
    await server.kill(); // with sends on their way
    await until(alice.state, ({ status }) => status === 'connecting');
    await server.run();
    await until(alice.state, ({ status }) => status === 'connected');
  }
  const messages = await Promise.all(sent);
  expect(messages).toHaveLength(200);
  const log = await truth(chat.id);
  expect(log).toHaveLength(200);
  for (const [side, who] of [[chat, 'a'], [same, 'b']] as const) {
    const seen = await until(side, ({ messages, pending }) => pending.length === 0 && messages.at(-1)?.seq === 200);
    expect(seen.messages).toEqual(log.slice(200 - seen.messages.length));
    const mine = log.map(({ content }) => content as string).filter((content) => content.startsWith(who));
    expect(mine, 'in the order of sending').toEqual(
      [0, 1, 2, 3].flatMap((round) => Array.from({ length: 25 }, (_, n) => `${who}${round}.${n}`)),
    );
  }
});

test('what was not sent before a reload is sent after it, once', async () => {
  const storage = new MemoryStorage();
  const before = await server.connected('alice', { storage });
  await server.connected('bob');
  const chat = await before.openDirect('bob');
  chat.open();
  await chat.send('sent');
  await server.kill();
  await until(before.state, ({ status }) => status === 'connecting');
  void chat.send('one');
  void chat.send('two');
  before.disconnect(); // the page is gone
  expect(storage.length).toBe(2);
  await server.run();
  const after = await server.connected('alice', { storage });
  const again = after.conversation(chat.id);
  expect(again.getSnapshot().pending.map(({ content }) => content)).toEqual(['one', 'two']);
  again.open();
  const seen = await until(again, ({ messages, pending }) => messages.length === 3 && pending.length === 0);
  expect(seen.messages.map(({ content }) => content)).toEqual(['sent', 'one', 'two']);
  expect(storage.length).toBe(0);
  expect(await truth(chat.id)).toHaveLength(3);
});

test('a token that ends is replaced without a reconnect', async () => {
  const seconds = (n: number) => Math.floor(Date.now() / 1000) + n;
  let asked = 0;
  const end = seconds(8);
  // Told 60 s ahead: at once, for a token that lives shorter.
  const getToken = () => server.token('alice', { exp: (asked += 1) === 1 ? end : seconds(3600) });
  const alice = server.client('alice', { getToken });
  const expiring = new Promise((resolve) => alice.on('token_expiring', resolve));
  await alice.connect();
  const first = alice.state.getSnapshot();
  await expiring;
  await expect.poll(() => asked).toBe(2);
  await new Promise((resolve) => setTimeout(resolve, end * 1000 + 2000 - Date.now())); // past the first token's end
  expect(await alice.request('get_presence', { userIds: [] })).toEqual({ presence: [] });
  expect(alice.state.getSnapshot()).toBe(first);
  expect(asked).toBe(2);
  expect(await alice.users.me()).toMatchObject({ id: 'alice' }); // REST uses the new one too
});

test('a token that was refused is replaced, and one that cannot be is the end', async () => {
  let asked = 0;
  const getToken = () => ((asked += 1) === 1 ? 'no token at all' : server.token('alice'));
  const alice = await server.connected('alice', { getToken });
  expect(asked).toBe(2);
  expect(alice.user.getSnapshot()?.id).toBe('alice');
  const nobody = server.client('nobody', { token: 'no token at all' });
  await expect(nobody.connect()).rejects.toThrow('unauthorized');
  expect(nobody.state.getSnapshot()).toMatchObject({ status: 'disconnected', reason: 'unauthorized' });
  await nobody.replaceToken(server.token('nobody'));
  await until(nobody.state, ({ status }) => status === 'connected');
});

test('after more than a thousand missed changes one begins anew', async () => {
  const alice = await server.connected('alice');
  await server.connected('bob');
  const chat = await alice.openDirect('bob');
  chat.open();
  await chat.send('before');
  await until(chat, ({ messages }) => messages.length === 1);
  alice.disconnect();
  const path = `/api/conversations/${chat.id}/messages`;
  const sends = Array.from({ length: 1050 }, (_, n) => n + 1);
  while (sends.length > 0) {
    await Promise.all(sends.splice(0, 50).map((n) => server.call('bob', 'POST', path, { content: `${n}` })));
  }
  await alice.connect();
  const seen = await until(chat, ({ messages }) => messages.at(-1)?.seq === 1051);
  expect(seen.messages).toHaveLength(50);
  expect(seen.hasOlder).toBe(true);
  await until(chat, ({ unread }) => unread === 1050);
  while (await chat.loadOlder(100));
  expect(chat.getSnapshot().messages).toEqual(await truth(chat.id));
});

test('fewer are caught up, changes of old messages too', async () => {
  const alice = await server.connected('alice');
  await server.connected('bob');
  const chat = await alice.openDirect('bob');
  chat.open();
  const path = `/api/conversations/${chat.id}/messages`;
  const post = (content: string) => server.call<{ message: Message }>('bob', 'POST', path, { content });
  const { message } = await post('to be deleted');
  await until(chat, ({ messages }) => messages.length === 1);
  alice.disconnect();
  for (let n = 0; n < 300; n += 1) await post(`${n}`);
  await server.call('bob', 'DELETE', `${path}/${message.id}`);
  await alice.connect();
  const seen = await until(chat, ({ messages }) => messages.length === 301);
  expect(seen.messages[0]).toMatchObject({ content: null, changeSeq: 302 });
  expect(seen.messages).toEqual(await truth(chat.id));
});

test('who was disconnected by an administrator stays away', async () => {
  const alice = await server.connected('alice');
  const admin: Parlor = await server.connected('root', { token: server.token('root', { role: 'admin' }) });
  const state = alice.state.getSnapshot();
  const sessions = await admin.admin.sessions();
  expect(sessions.map(({ userId }) => userId).sort()).toEqual(['alice', 'root']);
  await admin.admin.disconnect(state.status === 'connected' ? state.sessionId : '');
  await until(alice.state, (now) => now.status === 'disconnected' && now.reason === 'revoked');
  await expect.poll(() => admin.admin.metrics()).toMatchObject({ usersOnline: 1 });
  await expect(alice.admin.metrics()).rejects.toMatchObject({ code: 'FORBIDDEN', retryable: false });
});
