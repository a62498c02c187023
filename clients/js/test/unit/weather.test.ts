// The cursor rules under a network that loses, doubles and reorders, on every seed: what the client shows never has a gap, a
// double or a step back, and is the server's truth once the weather is fair. PARLOR_SEEDS=500 runs more of them.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Conversation, Message } from '../../src/index.js';
import { FAIR, Fake, type Weather } from '../help/fake.js';
import type { Log } from '../help/log.js';

const SEEDS = Number(process.env['PARLOR_SEEDS'] ?? 60);
const FOUL: Weather = { lost: 0.15, doubled: 0.15, delay: 300, reordered: true, failing: 0.1 };

beforeEach(() => void vi.useFakeTimers({ now: 0 }));
afterEach(() => void vi.useRealTimers());

/** Each snapshot is a stretch of the truth. */
function watch(chat: Conversation, log: Log): () => number {
  let looks = 0;
  const forms = new Map<string, number>();
  chat.subscribe(() => {
    looks += 1;
    const { messages, pending } = chat.getSnapshot();
    const seqs = messages.map(({ seq }) => seq);
    expect(seqs, 'in order, each once').toEqual([...new Set(seqs)].sort((a, b) => a - b));
    const [first, last] = [seqs[0] ?? 0, seqs.at(-1) ?? 0];
    const there = log.list.filter(({ seq }) => first <= seq && seq <= last).map(({ seq }) => seq);
    expect(seqs.filter((seq) => seq > log.expired), 'no gap').toEqual(there);
    for (const { id, changeSeq } of messages) {
      expect(changeSeq, 'never back').toBeGreaterThanOrEqual(forms.get(id) ?? 0);
      forms.set(id, changeSeq);
    }
    const shown = new Set(messages.map(({ clientId }) => clientId));
    expect(pending.filter(({ clientId }) => shown.has(clientId)), 'pending or sent, not both').toEqual([]);
  });
  return () => looks;
}

function disturb(fake: Fake, log: Log): void {
  const { random } = fake;
  const some = () => random.pick(log.list)?.id ?? '';
  const dice = random.next();
  if (dice < 0.5) {
    const replyToId = random.chance(0.3) && log.list.length > 0 ? some() : null;
    const mentions = random.chance(0.2) ? ['alice'] : [];
    fake.tell(log.post('bob', `b${log.seq}`, { replyToId, mentions }).event);
  } else if (dice < 0.6) fake.tell(log.edit(some(), `edited at ${log.seq}`));
  else if (dice < 0.68) fake.tell(log.delete(some()));
  else if (dice < 0.78) fake.tell(log.react(some(), 'heart', 'bob'));
  else if (dice < 0.8) fake.tell(log.expire(Math.floor(log.seq * random.next() * 0.7)));
  else if (dice < 0.84) fake.cut(random.pick([1006, 1012, 1013, 4408, 4430]));
}

test.each(Array.from({ length: SEEDS }, (_, seed) => seed + 1))('seed %i', async (seed) => {
  const fake = new Fake(seed);
  const { random } = fake;
  const log = fake.log('tea', random.chance(0.5) ? { missed: 15, newest: 8 } : { missed: 1000, newest: 50 });
  fake.pageSize = random.pick([2, 7, 200]);
  for (let n = random.int(30); n > 0; n -= 1) log.post('bob', `before ${n}`);
  fake.weather = random.chance(0.2) ? FAIR : FOUL;
  const parlor = fake.client();
  void parlor.connect();
  const chat = parlor.conversation('tea');
  if (random.chance(0.3)) void parlor.conversations.load().catch(() => undefined);
  if (random.chance(0.7)) chat.open();
  else void chat.ready();
  const looks = watch(chat, log);
  const sent: Promise<Message>[] = [];
  for (let step = 0; step < 150; step += 1) {
    disturb(fake, log);
    if (random.chance(0.15)) sent.push(chat.send(`a${step}`));
    if (random.chance(0.1)) chat.markRead();
    if (random.chance(0.08)) void chat.loadOlder(random.pick([3, 10])).catch(() => undefined);
    if (random.chance(0.03) && log.list.length > 0) void chat.jumpTo(random.pick(log.list).id, 6).catch(() => undefined);
    if (random.chance(0.05)) void chat.loadNewer(5).catch(() => undefined);
    if (random.chance(0.05)) chat.jumpToNewest();
    await vi.advanceTimersByTimeAsync(random.int(400));
  }
  fake.weather = FAIR;
  await vi.advanceTimersByTimeAsync(120_000);
  // Whoever lost something finds out now: by the next change, or by a new connection. (A retention that was not heard of has no
  // position: the server says it again only to new connections.)
  if (random.chance(0.5)) fake.cut(1012);
  else fake.tell(log.expire(log.expired));
  await vi.advanceTimersByTimeAsync(60_000);
  fake.tell(log.post('bob', 'the last word').event);
  chat.jumpToNewest();
  await vi.advanceTimersByTimeAsync(60_000);

  const { messages, pending, hasNewer } = chat.getSnapshot();
  expect(pending).toEqual([]);
  expect(hasNewer).toBe(false);
  const from = messages[0]?.seq ?? Infinity;
  expect(messages).toEqual(log.list.filter(({ seq }) => seq >= from));
  expect(messages.at(-1)?.content).toBe('the last word');
  while (chat.getSnapshot().hasOlder) {
    const page = chat.loadOlder(50);
    await vi.advanceTimersByTimeAsync(1000);
    await page;
  }
  expect(chat.getSnapshot().messages).toEqual(log.list);
  chat.markRead();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(chat.getSnapshot()).toMatchObject({ unread: 0, mentions: 0, lastReadSeq: log.seq });

  // Each send is one message, in the order of sending.
  const answers = await Promise.all(sent);
  expect(new Set(answers.map(({ id }) => id)).size).toBe(sent.length);
  const seqs = answers.map(({ seq }) => seq);
  expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
  expect(looks()).toBeGreaterThan(5);
  parlor.disconnect();
});
