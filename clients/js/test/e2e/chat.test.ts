// The client and the real server: a chat with everything that one sees of it.
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ConversationSnapshot } from '../../src/index.js';
import { Server } from '../help/server.js';
import { until } from '../help/until.js';

let server: Server;
beforeEach(async () => void (server = await Server.start()));
afterEach(() => server.end());

const texts = ({ messages }: ConversationSnapshot) => messages.map(({ content }) => content);

test('what one says the other sees, and both in one order', async () => {
  const [alice, bob] = await Promise.all([server.connected('alice'), server.connected('bob')]);
  const chat = await alice.openDirect('bob');
  const close = chat.open();
  const sent = chat.send('hello');
  expect(chat.getSnapshot().pending).toMatchObject([{ content: 'hello', status: 'sending' }]);
  expect(await sent).toMatchObject({ content: 'hello', seq: 1 });
  const seen = await until(chat, ({ messages, pending }) => messages.length === 1 && pending.length === 0);
  expect(texts(seen)).toEqual(['hello']);

  const same = bob.conversation(chat.id);
  same.open();
  await until(same, ({ messages }) => messages.length === 1);
  await same.send('hi', { replyTo: chat.getSnapshot().messages[0]! });
  const both = await until(chat, ({ messages }) => messages.length === 2);
  expect(texts(both)).toEqual(['hello', 'hi']);
  expect(both.messages[1]?.replyToId).toBe(both.messages[0]?.id);
  close();
});

test('unread counts, the list and reading', async () => {
  const [alice, bob] = await Promise.all([server.connected('alice'), server.connected('bob')]);
  await bob.conversations.load();
  expect(bob.conversations.getSnapshot()).toMatchObject({ conversations: [], loaded: true, hasMore: false });
  const chat = await alice.openDirect('bob');
  for (const text of ['one', 'two', 'three']) await chat.send(text);
  const list = await until(bob.conversations, ({ unread }) => unread === 3);
  expect(list.conversations).toMatchObject([{ id: chat.id, unread: 3, lastMessage: { content: 'three' } }]);
  const same = bob.conversation(chat.id);
  same.open();
  await until(same, ({ status, unread }) => status === 'ready' && unread === 3);
  chat.open();
  await until(chat, ({ members }) => members.length === 2);
  same.markRead();
  expect(same.getSnapshot().unread).toBe(0);
  await until(chat, ({ members }) => members.some(({ user, lastReadSeq }) => user.id === 'bob' && lastReadSeq === 3));
  expect(chat.readBy(chat.getSnapshot().messages[2]!).map(({ user }) => user.id)).toEqual(['bob']);
  expect(bob.conversations.getSnapshot().unread).toBe(0);
});

test('typing is seen, and ends with a message', async () => {
  const [alice, bob] = await Promise.all([server.connected('alice'), server.connected('bob')]);
  const chat = await alice.openDirect('bob');
  const same = bob.conversation(chat.id);
  chat.open();
  await chat.ready();
  same.open();
  await until(chat, ({ viewers }) => viewers.some(({ id }) => id === 'bob'));
  for (let key = 0; key < 5; key += 1) same.typing();
  await until(chat, ({ typers }) => typers.length === 1);
  expect(chat.getSnapshot().typers).toEqual([{ userId: 'bob', displayName: 'bob' }]);
  same.stopTyping();
  await until(chat, ({ typers }) => typers.length === 0);
  same.typing();
  await until(chat, ({ typers }) => typers.length === 1);
  await same.send('there');
  await until(chat, ({ typers, messages }) => typers.length === 0 && messages.length === 1);
});

test('presence of those who are watched', async () => {
  const alice = await server.connected('alice');
  await alice.openDirect('bob').catch(() => undefined); // bob is not known yet
  const bob = await server.connected('bob');
  await alice.openDirect('bob');
  const seen = alice.presence.of(['bob']);
  await until(seen, (map) => map.get('bob')?.online === true);
  bob.disconnect();
  const gone = await until(seen, (map) => map.get('bob')?.online === false);
  expect(gone.get('bob')?.lastSeenAt).toMatch(/Z$/);
});

test('groups: members, roles, leaving', async () => {
  const [alice, bob] = await Promise.all([server.connected('alice'), server.connected('bob')]);
  await bob.conversations.load();
  const group = await alice.create({ kind: 'group', name: 'Tea', memberIds: ['bob'] });
  group.open();
  const list = await until(bob.conversations, ({ conversations }) => conversations.length === 1);
  expect(list.conversations[0]?.view).toMatchObject({ kind: 'group', name: 'Tea', role: 'member' });
  const same = bob.conversation(group.id);
  same.open();
  await until(same, ({ status }) => status === 'ready');
  await group.setRole('bob', 'admin');
  await until(same, ({ view }) => view?.role === 'admin');
  await same.update({ name: 'Coffee' });
  await until(group, ({ view }) => view?.name === 'Coffee');
  await group.removeMember('bob');
  const end = await until(same, ({ status }) => status === 'removed');
  expect(end.removedBecause).toBe('removed');
  expect(bob.conversations.getSnapshot().conversations).toEqual([]);
  await expect(same.send('still there?')).rejects.toMatchObject({ code: 'NOT_MEMBER' });
  await until(group, ({ members }) => members.length === 1);
});

test('deleting takes the content, and history is paged', async () => {
  const alice = await server.connected('alice');
  await server.connected('bob');
  const chat = await alice.openDirect('bob');
  for (let n = 1; n <= 120; n += 1) await server.call('bob', 'POST', `/api/conversations/${chat.id}/messages`, { content: `${n}` });
  chat.open();
  await until(chat, ({ messages, status }) => status === 'ready' && messages.length === 50);
  expect(chat.getSnapshot().hasOlder).toBe(true);
  expect(await chat.loadOlder()).toBe(true);
  expect(await chat.loadOlder()).toBe(false);
  expect(texts(chat.getSnapshot())).toEqual(Array.from({ length: 120 }, (_, at) => `${at + 1}`));
  const mine = await chat.send('mine');
  await chat.delete(mine);
  const after = await until(chat, ({ messages }) => messages.at(-1)?.deletedAt != null);
  expect(after.messages.at(-1)).toMatchObject({ id: mine.id, content: null, reactions: [], mentions: [], replyTo: null });

  const other = await server.connected('bob');
  const same = other.conversation(chat.id);
  await same.ready();
  const tenth = chat.getSnapshot().messages[9]!;
  await same.jumpTo(tenth.id, 11);
  expect(texts(same.getSnapshot())).toEqual(['5', '6', '7', '8', '9', '10', '11', '12', '13', '14', '15']);
  expect(same.getSnapshot()).toMatchObject({ hasOlder: true, hasNewer: true });
  expect(await same.loadNewer(100)).toBe(false);
  expect(same.getSnapshot().messages).toHaveLength(117);
  expect(same.getSnapshot().hasNewer).toBe(false);
});
