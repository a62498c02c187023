// What a conversation object makes of what the server says, one thing at a time.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Conversation, Parlor } from '../../src/index.js';
import { Fake } from '../help/fake.js';
import { user, type Log } from '../help/log.js';
import { MemoryStorage } from '../help/storage.js';

let fake: Fake;
let log: Log;
let parlor: Parlor;
let chat: Conversation;

const wait = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);
const texts = () => chat.getSnapshot().messages.map(({ content }) => content);
const asked = (event: string) => fake.requests.filter((request) => request.event === event);

beforeEach(async () => {
  vi.useFakeTimers({ now: 0 });
  fake = new Fake();
  log = fake.log('tea');
  parlor = fake.client();
  void parlor.connect();
  await wait(100);
  chat = parlor.conversation('tea');
});
afterEach(() => {
  parlor.disconnect();
  vi.useRealTimers();
});

async function opened(): Promise<() => void> {
  const close = chat.open();
  await wait(100);
  return close;
}

test('a snapshot is the same object until something changes, and its parts too', async () => {
  log.post('bob', 'one');
  await opened();
  const before = chat.getSnapshot();
  expect(chat.getSnapshot()).toBe(before);
  let told = 0;
  const stop = chat.subscribe(() => (told += 1));
  fake.tell({ event: 'user_typing', data: { conversationId: 'tea', userId: 'bob', displayName: 'BOB' } });
  await wait(1);
  const after = chat.getSnapshot();
  expect(after).not.toBe(before);
  expect(after.messages).toBe(before.messages);
  expect(told).toBe(1);
  stop();
  fake.tell(log.post('bob', 'two').event);
  await wait(1);
  expect(told).toBe(1);
  expect(chat.getSnapshot().messages[0]).toBe(after.messages[0]);
});

test('a gap is filled by sync, once, with what came meanwhile', async () => {
  await opened();
  for (let n = 1; n <= 5; n += 1) log.post('bob', `${n}`);
  fake.tell(log.post('bob', '6').event);
  fake.tell(log.post('bob', '7').event);
  await wait(100);
  expect(texts()).toEqual(['1', '2', '3', '4', '5', '6', '7']);
  expect(asked('sync')).toEqual([{ event: 'sync', data: { cursors: [{ conversationId: 'tea', seq: 0 }], limit: 1000 } }]);
});

test('pages of a sync are taken together', async () => {
  await opened();
  fake.pageSize = 2;
  for (let n = 1; n <= 5; n += 1) log.post('bob', `${n}`);
  log.edit('tea-m1', '1 edited');
  const lengths: number[] = [];
  chat.subscribe(() => lengths.push(chat.getSnapshot().messages.length));
  fake.tell(log.post('bob', '6').event);
  await wait(200);
  expect(texts()).toEqual(['1 edited', '2', '3', '4', '5', '6']);
  expect(new Set(lengths)).toEqual(new Set([6]));
});

test('another epoch makes everything void', async () => {
  for (let n = 1; n <= 5; n += 1) log.post('bob', `${n}`);
  await opened();
  fake.logs.delete('tea');
  log = fake.log('tea');
  log.post('bob', 'restored');
  fake.epoch = 'epoch-2';
  fake.cut(1012);
  await wait(2_000);
  expect(texts()).toEqual(['restored']);
  expect(asked('join_conversation').at(-1)?.data).toEqual({ conversationId: 'tea' });
});

test('after a reconnect it catches up from the cursor', async () => {
  log.post('bob', 'one');
  await opened();
  fake.cut(1012);
  log.post('bob', 'two');
  await wait(2_000);
  expect(texts()).toEqual(['one', 'two']);
  expect(asked('join_conversation').at(-1)?.data).toEqual({ conversationId: 'tea', after: 1 });
  expect(asked('sync')).toEqual([]);
});

test('one that is not open catches up by sync', async () => {
  log.post('bob', 'one');
  const ready = chat.ready();
  await wait(100);
  await ready;
  fake.cut(1012);
  log.post('bob', 'two');
  await wait(2_000);
  expect(texts()).toEqual(['one', 'two']);
  expect(asked('sync').at(-1)?.data).toMatchObject({ cursors: [{ seq: 1 }] });
  expect(asked('join_conversation')).toEqual([]);
});

test('quotes follow what they quote', async () => {
  log.post('bob', 'first');
  await opened();
  fake.tell(log.post('bob', 'an answer', { replyToId: 'tea-m1' }).event);
  await wait(1);
  expect(chat.getSnapshot().messages[1]?.replyTo?.preview).toBe('first');
  fake.tell(log.edit('tea-m1', `é${'x'.repeat(200)}`));
  await wait(1);
  expect(chat.getSnapshot().messages[1]?.replyTo?.preview).toBe(`é${'x'.repeat(139)}`);
  fake.tell(log.delete('tea-m1'));
  await wait(1);
  expect(chat.getSnapshot().messages[1]?.replyTo).toBeNull();
  expect(chat.getSnapshot().messages).toEqual(log.list);
});

test('quotes of messages that are not here follow too', async () => {
  for (let n = 1; n <= 60; n += 1) log.post('bob', `${n}`);
  log.post('bob', 'an answer', { replyToId: 'tea-m1' });
  await opened();
  expect(chat.get('tea-m1')).toBeUndefined();
  fake.tell(log.edit('tea-m1', 'edited'));
  await wait(1);
  expect(chat.getSnapshot().messages.at(-1)?.replyTo?.preview).toBe('edited');
  fake.tell(log.delete('tea-m1'));
  await wait(1);
  expect(chat.getSnapshot().messages.at(-1)?.replyTo).toBeNull();
});

test('what retention removed is forgotten', async () => {
  for (let n = 1; n <= 10; n += 1) log.post('bob', `${n}`);
  log.post('bob', 'an answer', { replyToId: 'tea-m3' });
  await opened();
  fake.tell(log.expire(4));
  await wait(400);
  expect(chat.getSnapshot().messages.map(({ seq }) => seq)).toEqual([5, 6, 7, 8, 9, 10, 11]);
  expect(chat.getSnapshot().messages.at(-1)?.replyTo).toBeNull();
  expect(chat.getSnapshot().hasOlder).toBe(false);
  expect(chat.getSnapshot().unread).toBe(7);
});

test('what retention removed while one was away is forgotten, and not asked for', async () => {
  for (let n = 1; n <= 10; n += 1) log.post('bob', `${n}`);
  const ready = chat.ready(); // not open: nothing but the page of sync says so
  await wait(100);
  await ready;
  fake.cut(1012);
  for (let n = 11; n <= 20; n += 1) log.post('bob', `${n}`);
  log.expire(15);
  await wait(2_000);
  expect(chat.getSnapshot().messages).toEqual(log.list);
  expect(chat.getSnapshot().hasOlder).toBe(false);
  fake.tell(log.expire(20)); // all of it, and what comes then is next
  fake.tell(log.post('bob', 'new').event);
  await wait(10);
  expect(texts()).toEqual(['new']);
  expect(asked('sync')).toHaveLength(2);
});

test('a change of a message while its page is on its way is not lost', async () => {
  for (let n = 1; n <= 60; n += 1) log.post('bob', `${n}`);
  await opened();
  fake.weather = { ...fake.weather, delay: 50 };
  const page = chat.loadOlder(20);
  while (!fake.calls.includes('/api/conversations/tea/messages')) await Promise.resolve();
  // The page was read, and is on its way; the deletion overtakes it.
  fake.weather = { ...fake.weather, delay: 0 };
  fake.tell(log.delete('tea-m5'));
  fake.tell(log.edit('tea-m6', 'edited'));
  await wait(100);
  await page;
  expect(chat.getSnapshot().messages).toEqual(log.list);
});

test('a page that was read before a change does not take it back', async () => {
  for (let n = 1; n <= 60; n += 1) log.post('bob', `${n}`);
  await opened();
  fake.weather = { ...fake.weather, delay: 50 };
  const page = chat.jumpTo('tea-m9', 10); // 4 to 13, of which 11 and later are here
  while (!fake.calls.includes('/api/conversations/tea/messages')) await Promise.resolve();
  fake.weather = { ...fake.weather, delay: 0 };
  fake.tell(log.edit('tea-m12', 'edited'));
  await wait(100);
  await page;
  expect(chat.getSnapshot().messages).toEqual(log.list.filter(({ seq }) => seq >= 4));
  expect(chat.getSnapshot().hasNewer).toBe(false);
});

test('the outbox: sending, sent, shown', async () => {
  await opened();
  const seen: string[] = [];
  chat.subscribe(() => {
    const { pending, messages } = chat.getSnapshot();
    seen.push(`${pending.map(({ status }) => status).join()}/${messages.length}`);
  });
  const sent = chat.send('hello');
  await wait(100);
  expect((await sent).content).toBe('hello');
  expect(seen[0]).toBe('sending/0');
  expect(seen.at(-1)).toBe('/1');
});

test('a refusal stays to be looked at, retried or discarded', async () => {
  await opened();
  const post = vi.spyOn(log, 'post').mockImplementationOnce(() => {
    throw { code: 'VALIDATION_ERROR', message: 'too long', retryable: false };
  });
  const refused = expect(chat.send('x')).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
  await wait(100);
  await refused;
  const [failed] = chat.getSnapshot().pending;
  expect(failed).toMatchObject({ status: 'failed', error: { code: 'VALIDATION_ERROR' } });
  void chat.send('after it');
  await wait(100);
  expect(texts()).toEqual(['after it']);
  post.mockRestore();
  chat.retry(failed?.clientId ?? '');
  await wait(100);
  expect(texts()).toEqual(['after it', 'x']);
  expect(chat.getSnapshot().pending).toEqual([]);
});

test('too fast is not a failure, and keeps the order', async () => {
  await opened();
  vi.spyOn(log, 'post').mockImplementationOnce(() => {
    throw { code: 'RATE_LIMITED', message: 'slow down', retryable: true, retryAfterMs: 1500 };
  });
  void chat.send('one');
  void chat.send('two');
  await wait(1_000);
  expect(chat.getSnapshot().pending.map(({ status }) => status)).toEqual(['sending', 'sending']);
  await wait(1_000);
  expect(texts()).toEqual(['one', 'two']);
  expect(asked('send_message').map(({ data }) => data['content'])).toEqual(['one', 'one', 'two']);
  expect(asked('send_message')[0]?.data['clientId']).toBe(asked('send_message')[1]?.data['clientId']);
});

test('two lives of a page share an outbox, and two users do not', async () => {
  const storage = new MemoryStorage();
  const offline = fake.client({ storage });
  void offline.connect();
  await wait(100);
  fake.mute = true;
  void offline.conversation('tea').send('kept');
  await wait(10);
  offline.disconnect();
  expect(storage.length).toBe(1);
  expect(storage.key(0)).toMatch(/^parlor http:\/\/fake alice /);
  fake.mute = false;
  const again = fake.client({ storage });
  void again.connect();
  await wait(100);
  expect(storage.length).toBe(0);
  expect(log.list.map(({ content }) => content)).toEqual(['kept']);
  again.disconnect();
});

test('what one user left is not sent by the next one', async () => {
  const storage = new MemoryStorage();
  const shared = fake.client({ storage, token: 'alice' });
  void shared.connect();
  await wait(100);
  fake.mute = true;
  void shared.conversation('tea').send("alice's");
  await wait(10);
  shared.disconnect();
  fake.mute = false;
  await shared.replaceToken('carol');
  void shared.connect();
  await wait(1_000);
  expect(shared.user.getSnapshot()?.id).toBe('carol');
  expect(log.list).toEqual([]);
  expect(shared.conversation('tea').getSnapshot().pending).toEqual([]);
  expect(storage.length).toBe(1);
  shared.disconnect();
});

test('typing is told seldom, and ends', async () => {
  await opened();
  for (let n = 0; n < 40; n += 1) {
    chat.typing();
    await wait(200);
  }
  expect(asked('typing_start').length).toBe(3);
  expect(asked('typing_stop').length).toBe(0);
  await wait(4_000);
  expect(asked('typing_stop').length).toBe(1);
  chat.typing();
  void chat.send('said');
  await wait(10_000);
  expect(asked('typing_stop').length).toBe(1);
});

test('typists are forgotten when nobody says that they stopped', async () => {
  await opened();
  const typing = { event: 'user_typing', data: { conversationId: 'tea', userId: 'bob', displayName: 'BOB' } };
  fake.tell(typing);
  await wait(3_000);
  fake.tell(typing);
  await wait(5_000);
  expect(chat.getSnapshot().typers).toEqual([{ userId: 'bob', displayName: 'BOB' }]);
  await wait(2_000);
  expect(chat.getSnapshot().typers).toEqual([]);
});

test('reading is told once, at the furthest', async () => {
  for (let n = 1; n <= 5; n += 1) log.post('bob', `${n}`, { mentions: n > 3 ? ['alice'] : [] });
  await opened();
  expect(chat.getSnapshot()).toMatchObject({ unread: 5, mentions: 2 });
  chat.markRead(1);
  chat.markRead(2);
  chat.markRead(4);
  expect(chat.getSnapshot()).toMatchObject({ unread: 1, mentions: 1, lastReadSeq: 4 });
  await wait(100);
  expect(asked('mark_read').map(({ data }) => data['seq'])).toEqual([1, 4]);
  fake.cut(1012);
  await wait(5);
  chat.markRead();
  await wait(2_000);
  expect(log.reads.get('alice')).toBe(5);
});

test('a reader elsewhere counts here', async () => {
  for (let n = 1; n <= 3; n += 1) log.post('bob', `${n}`);
  await opened();
  fake.tell({ event: 'message_read', data: { conversationId: 'tea', userId: 'alice', lastReadSeq: 2, readAt: '' } });
  fake.tell({ event: 'message_read', data: { conversationId: 'tea', userId: 'bob', lastReadSeq: 3, readAt: '' } });
  await wait(10);
  expect(chat.getSnapshot().unread).toBe(1);
  expect(chat.getSnapshot().members.find(({ user }) => user.id === 'bob')?.lastReadSeq).toBe(3);
});

test('the list: order, counts, and what comes into it', async () => {
  const other = fake.log('cake');
  log.post('bob', 'old');
  other.post('bob', 'x');
  other.post('bob', 'newer');
  const loaded = parlor.conversations.load();
  await wait(100);
  await loaded;
  const names = () => parlor.conversations.getSnapshot().conversations.map(({ id }) => id);
  expect(names()).toEqual(['cake', 'tea']);
  expect(parlor.conversations.getSnapshot()).toMatchObject({ unread: 3, hasMore: false, loaded: true });
  for (let n = 0; n < 3; n += 1) fake.tell(log.post('bob', `${n}`).event);
  await wait(10);
  expect(names()).toEqual(['tea', 'cake']);
  expect(parlor.conversations.getSnapshot().unread).toBe(6);
  expect(parlor.conversations.getSnapshot().conversations[0]?.lastMessage?.content).toBe('2');
  const before = parlor.conversations.getSnapshot().conversations[1];
  fake.tell(log.delete(log.list.at(-1)?.id ?? ''));
  await wait(10);
  expect(parlor.conversations.getSnapshot()).toMatchObject({ unread: 5 });
  expect(parlor.conversations.getSnapshot().conversations[1]).toBe(before);
  // While away: one more message, one conversation less, one more.
  fake.cut(1012);
  fake.logs.delete('cake');
  fake.log('milk').post('bob', 'hi');
  log.post('bob', 'while away');
  await wait(3_000);
  expect(names().sort()).toEqual(['milk', 'tea']);
  expect(parlor.conversations.getSnapshot().unread).toBe(5);
  fake.tell({ event: 'conversation_removed', data: { conversationId: 'milk', reason: 'removed' } });
  await wait(10);
  expect(names()).toEqual(['tea']);
});

test('one that is taken away and given back goes on', async () => {
  log.post('bob', 'one');
  await opened();
  fake.tell({ event: 'conversation_removed', data: { conversationId: 'tea', reason: 'removed' } });
  await wait(10);
  expect(chat.getSnapshot()).toMatchObject({ status: 'removed', removedBecause: 'removed', messages: [] });
  await expect(chat.ready()).rejects.toMatchObject({ code: 'NOT_MEMBER' });
  log.post('bob', 'two');
  fake.tell({ event: 'conversation_created', data: { conversation: log.view('alice') } });
  await wait(100);
  expect(chat.getSnapshot()).toMatchObject({ status: 'ready', removedBecause: null });
  expect(texts()).toEqual(['one', 'two']);
});

test('viewers and members', async () => {
  await opened();
  fake.tell({ event: 'user_joined', data: { conversationId: 'tea', user: user('bob') } });
  fake.tell({ event: 'user_online', data: { userId: 'bob' } });
  fake.tell({ event: 'member_added', data: { conversationId: 'tea', user: user('carol') } });
  await wait(10);
  expect(chat.getSnapshot().viewers.map(({ id }) => id)).toEqual(['bob']);
  expect(chat.getSnapshot().members.map(({ user, online }) => [user.id, online])).toEqual([
    ['alice', false],
    ['bob', true],
    ['carol', false],
  ]);
  fake.tell({ event: 'user_left', data: { conversationId: 'tea', user: user('bob') } });
  const note = { event: 'role_changed', text: '', userId: 'alice', role: 'admin' };
  fake.tell(log.post('bob', note as never, { type: 'system' }).event);
  await wait(10);
  expect(chat.getSnapshot().viewers).toEqual([]);
  expect(chat.getSnapshot().view?.role).toBe('admin');
  expect(chat.getSnapshot().unread).toBe(0);
});

test('presence is asked once for all that are watched', async () => {
  const seen = parlor.presence.of(['bob', 'dave']);
  const stop = seen.subscribe(() => undefined);
  const other = parlor.presence.watch(['bob', 'eve']);
  await wait(100);
  expect(asked('get_presence').map(({ data }) => data['userIds'])).toEqual([['bob', 'dave', 'eve']]);
  const map = seen.getSnapshot();
  expect([map.get('bob')?.online, map.get('dave')?.online]).toEqual([true, false]);
  fake.tell({ event: 'user_online', data: { userId: 'eve' } });
  await wait(10);
  expect(seen.getSnapshot()).toBe(map);
  fake.tell({ event: 'user_offline', data: { userId: 'bob', lastSeenAt: 'now' } });
  await wait(10);
  expect(seen.getSnapshot().get('bob')).toEqual({ userId: 'bob', online: false, lastSeenAt: 'now' });
  stop();
  other();
});

test('closing the view says so, once nobody looks', async () => {
  const first = await opened();
  const second = chat.open();
  first();
  first();
  await wait(10);
  expect(asked('leave_conversation')).toEqual([]);
  second();
  await wait(10);
  expect(asked('leave_conversation')).toHaveLength(1);
  expect(asked('join_conversation')).toHaveLength(1);
});
