// The client and the real server: everything that one does with messages and conversations beyond saying something.
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Message, SystemNote } from '../../src/index.js';
import { Server } from '../help/server.js';
import { until } from '../help/until.js';

let server: Server;
beforeEach(async () => void (server = await Server.start()));
afterEach(() => server.end());

test('edits, reactions, quotes and mentions are seen by the others, also after a reconnect', async () => {
  const [alice, bob] = await Promise.all([server.connected('alice'), server.connected('bob')]);
  const chat = await alice.openDirect('bob');
  const same = bob.conversation(chat.id);
  chat.open();
  same.open();
  const first = await chat.send('frist');
  await until(same, ({ messages }) => messages.length === 1);
  const answer = await same.send('you mean first, @alice?', { replyTo: first });
  expect(answer).toMatchObject({ mentions: ['alice'], replyTo: { id: first.id, preview: 'frist' } });
  await until(chat, ({ unread, mentions }) => unread === 1 && mentions === 1);

  expect(await chat.edit(first, 'first')).toMatchObject({ content: 'first', changeSeq: 3 });
  const edited = await until(same, ({ messages }) => messages[0]?.editedAt != null);
  expect(edited.messages.map(({ content, replyTo }) => [content, replyTo?.preview])).toEqual([
    ['first', undefined],
    ['you mean first, @alice?', 'first'],
  ]);
  expect(bob.reactions).toContain('heart');
  expect(await same.react(first, 'heart')).toEqual([{ emoji: 'heart', userIds: ['bob'] }]);
  await until(chat, ({ messages }) => messages[0]?.reactions.length === 1);
  alice.disconnect();
  await same.react(first, 'heart', false);
  await same.react(first, 'fire');
  await same.edit(answer, 'you mean first?');
  await alice.connect();
  const seen = await until(chat, ({ messages }) => messages[1]?.content === 'you mean first?');
  expect(seen.messages[0]?.reactions).toEqual([{ emoji: 'fire', userIds: ['bob'] }]);
  expect(seen).toMatchObject({ unread: 1, mentions: 0 });
  const truth = await server.call<{ messages: Message[] }>('alice', 'GET', `/api/conversations/${chat.id}/messages?markRead=false`);
  expect(seen.messages).toEqual(truth.messages);

  await chat.delete(first);
  const gone = await until(same, ({ messages }) => messages[0]?.deletedAt != null);
  expect(gone.messages[1]?.replyTo).toBeNull();
  await expect(same.edit(first, 'mine')).rejects.toMatchObject({ retryable: false });
  chat.markRead();
  await until(same, () => chat.getSnapshot().unread === 0);
  await expect.poll(async () => (await same.receipts(answer)).map(({ user }) => user.id)).toEqual(['alice']);
});

test('rooms by code and password, channels by name', async () => {
  const [alice, bob] = await Promise.all([server.connected('alice'), server.connected('bob')]);
  await bob.conversations.load();
  const room = await alice.create({ kind: 'room', name: 'Break', password: 'kettle' });
  const inviteCode = room.getSnapshot().view?.inviteCode ?? '';
  expect(room.getSnapshot().view).toMatchObject({ kind: 'room', hasPassword: true, maxMembers: 16 });
  await expect(bob.joinByCode(inviteCode, { password: 'teapot' })).rejects.toMatchObject({ code: 'FORBIDDEN' });
  const joined = await bob.joinByCode(inviteCode, { password: 'kettle' });
  expect(joined.id).toBe(room.id);
  joined.open();
  await until(joined, ({ status }) => status === 'ready');
  expect(joined.getSnapshot().view?.inviteCode).toBeUndefined();
  expect(await room.renewInviteCode()).not.toBe(inviteCode);
  await room.leave(); // a room ends with its owner
  await until(joined, ({ removedBecause }) => removedBecause === 'deleted');

  const channel = await alice.create({ kind: 'channel', name: 'Tea Time' });
  expect((await bob.channels('tea')).map(({ slug, joined }) => [slug, joined])).toEqual([['tea-time', false]]);
  channel.open();
  const same = await bob.join(channel.id);
  await channel.send('welcome');
  await until(bob.conversations, ({ conversations }) => conversations[0]?.lastMessage?.content === 'welcome');
  expect(same.getSnapshot().view?.kind).toBe('channel');
  const notes = channel.getSnapshot().messages.filter(({ type }) => type === 'system');
  expect(notes.map(({ content }) => (content as unknown as SystemNote).event)).toContain('member_joined');
});

test('slow mode makes a message wait, and says so', async () => {
  const alice = await server.connected('alice');
  const group = await alice.create({ kind: 'group', name: 'Slow', slowModeSeconds: 2 });
  group.open();
  const sent = [group.send('one'), group.send('two')];
  const waiting = await until(group, ({ pending }) => pending.some(({ error }) => error?.code === 'RATE_LIMITED'));
  expect(waiting.pending.at(-1)).toMatchObject({ content: 'two', status: 'sending' });
  const [one, two] = await Promise.all(sent);
  expect(Date.parse(two?.createdAt ?? '') - Date.parse(one?.createdAt ?? '')).toBeGreaterThanOrEqual(1_900);
  await until(group, ({ pending }) => pending.length === 0);
});

test('images and drawings', async () => {
  const [alice, bob] = await Promise.all([server.connected('alice'), server.connected('bob')]);
  const chat = await alice.openDirect('bob');
  const same = bob.conversation(chat.id);
  same.open();
  const pixel = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64');
  const shares: number[] = [];
  const url = await alice.upload(new Blob([pixel], { type: 'image/gif' }), { onProgress: (share) => shares.push(share) });
  expect(shares).toEqual([0, 1]);
  await chat.sendImage(url);
  await chat.send({ operations: [{ line: [0, 0, 9, 9] }], width: 10, height: 10 });
  const seen = await until(same, ({ messages }) => messages.length === 2);
  expect(seen.messages.map(({ type, content }) => [type, content])).toEqual([
    ['image', url],
    ['drawing', { operations: [{ line: [0, 0, 9, 9] }], width: 10, height: 10 }],
  ]);
  const image = await fetch(bob.urlOf(url));
  expect([image.status, image.headers.get('content-type')]).toEqual([200, 'image/gif']);
  await expect(alice.upload(new Blob(['<svg/>'], { type: 'image/svg+xml' }))).rejects.toMatchObject({ code: 'UNSUPPORTED_MEDIA_TYPE' });
});

test('search finds, and the found one is jumped to', async () => {
  const alice = await server.connected('alice');
  await server.connected('bob');
  const chat = await alice.openDirect('bob');
  const path = `/api/conversations/${chat.id}/messages`;
  await server.call('bob', 'POST', path, { content: 'the needle' });
  for (let n = 0; n < 120; n += 1) await server.call('bob', 'POST', path, { content: `hay ${n}` });
  chat.open();
  await chat.ready();
  const { messages, hasMore } = await alice.search('need', { conversationId: chat.id });
  expect(hasMore).toBe(false);
  expect(messages.map(({ content, highlights }) => [content, highlights.filter(({ match }) => match)])).toEqual([
    ['the needle', [{ text: expect.stringMatching(/^need/), match: true }]],
  ]);
  await chat.jumpTo(messages[0]?.id ?? '');
  expect(chat.getSnapshot().messages[0]?.content).toBe('the needle');
  expect(chat.getSnapshot()).toMatchObject({ hasOlder: false, hasNewer: true });
  while (await chat.loadNewer());
  expect(chat.getSnapshot().messages).toHaveLength(121);
  expect(chat.getSnapshot().hasNewer).toBe(false);
});
