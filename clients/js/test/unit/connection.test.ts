// The connection: close codes, jitter, tokens, silence; against the fake server and its clock.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { ConnectionState, Parlor } from '../../src/index.js';
import { Fake } from '../help/fake.js';

let fake: Fake;
beforeEach(() => {
  vi.useFakeTimers({ now: 0 });
  fake = new Fake();
});
afterEach(() => void vi.useRealTimers());

async function connected(parlor: Parlor): Promise<Parlor> {
  const done = parlor.connect();
  await vi.advanceTimersByTimeAsync(100);
  await done;
  return parlor;
}

function states(parlor: Parlor): string[] {
  const seen: string[] = [];
  const note = (state: ConnectionState) => seen.push('reason' in state ? `${state.status} ${state.reason}` : state.status);
  parlor.state.subscribe(() => note(parlor.state.getSnapshot()));
  return seen;
}

test.each([
  [1001, 'going-away'],
  [1006, 'lost'],
  [1011, 'internal'],
  [1012, 'restarting'],
  [1013, 'overloaded'],
  [4408, 'heartbeat'],
  [4430, 'too-slow'],
  [4999, 'lost'],
])('after %i it comes back', async (code, reason) => {
  const parlor = await connected(fake.client());
  const seen = states(parlor);
  fake.cut(code);
  await vi.advanceTimersByTimeAsync(16_000);
  expect(seen).toContain(`connecting ${reason}`);
  expect(parlor.state.getSnapshot().status).toBe('connected');
  expect(fake.open).toBe(1);
});

test('after 4403 it stops', async () => {
  const parlor = await connected(fake.client());
  fake.cut(4403);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(parlor.state.getSnapshot()).toEqual({ status: 'disconnected', reason: 'revoked' });
  expect(fake.dialled).toHaveLength(1);
});

test('after 4429 it waits at least five seconds', async () => {
  const parlor = await connected(fake.client());
  fake.cut(4429);
  await vi.advanceTimersByTimeAsync(4_900);
  expect(fake.dialled).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(parlor.state.getSnapshot().status).toBe('connected');
});

test.each([1002, 1003, 1007, 1009, 4400])('%i three times in a row is the end', async (code) => {
  const parlor = await connected(fake.client());
  for (let n = 0; n < 3; n += 1) {
    fake.cut(code);
    await vi.advanceTimersByTimeAsync(5_000);
  }
  expect(parlor.state.getSnapshot()).toEqual({ status: 'disconnected', reason: 'protocol' });
  expect(fake.dialled).toHaveLength(3);
});

test('the pause before the next attempt is drawn from a range that doubles up to 15 s', async () => {
  const parlor = fake.client({ random: () => 1 });
  fake.refuseWith.push(...Array<number>(8).fill(1006));
  void parlor.connect();
  const pauses: number[] = [];
  for (let last = 0; pauses.length < 8; ) {
    await vi.advanceTimersByTimeAsync(1);
    const state = parlor.state.getSnapshot();
    if (state.status === 'connecting' && state.retryAt !== null && state.failures > last) {
      pauses.push(state.retryAt - Date.now());
      last = state.failures;
    }
  }
  const near = [500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000];
  pauses.forEach((pause, at) => expect(Math.abs(pause - (near[at] ?? 0))).toBeLessThan(5));
  parlor.disconnect();
});

test('jitter is full', async () => {
  const parlor = await connected(fake.client({ random: () => 0 }));
  fake.cut(1012);
  await vi.advanceTimersByTimeAsync(5);
  expect(parlor.state.getSnapshot().status).toBe('connected');
});

test('4401 gets a new token, and the connection is back at once', async () => {
  fake.tokens.add('one');
  const tokens = ['one', 'two'];
  const parlor = await connected(fake.client({ getToken: () => tokens.shift() ?? '' }));
  fake.tokens.delete('one');
  fake.tokens.add('two');
  fake.cut(4401);
  await vi.advanceTimersByTimeAsync(10);
  expect(parlor.state.getSnapshot().status).toBe('connected');
  expect(fake.dialled).toEqual(['one', 'two']);
});

test('4401 without a way to get a token is the end, until there is another', async () => {
  fake.tokens.add('good');
  const parlor = await connected(fake.client({ token: 'good' }));
  fake.tokens.delete('good');
  fake.cut(4401);
  await vi.advanceTimersByTimeAsync(10);
  expect(parlor.state.getSnapshot()).toMatchObject({ status: 'disconnected', reason: 'unauthorized' });
  fake.tokens.add('better');
  await parlor.replaceToken('better');
  await vi.advanceTimersByTimeAsync(10);
  expect(parlor.state.getSnapshot().status).toBe('connected');
});

test('a token that is refused before the upgrade is told from a server that is away', async () => {
  fake.tokens.add('good');
  const tokens = ['bad', 'good'];
  const parlor = await connected(fake.client({ getToken: () => tokens.shift() ?? '' }));
  expect(fake.dialled).toEqual(['bad', 'good']);
  parlor.disconnect();
});

test('a token source that fails is asked again', async () => {
  let asked = 0;
  const getToken = () => ((asked += 1) < 3 ? Promise.reject(new Error('backend away')) : 'token');
  const parlor = fake.client({ getToken });
  const done = parlor.connect();
  await vi.advanceTimersByTimeAsync(10_000);
  await done;
  expect(asked).toBe(3);
});

test('token_expiring renews on the open connection', async () => {
  const tokens = ['one', 'two'];
  const parlor = await connected(fake.client({ getToken: () => tokens.shift() ?? '' }));
  fake.tell({ event: 'token_expiring', data: { expiresAt: '' } });
  await vi.advanceTimersByTimeAsync(100);
  expect(fake.requests.filter(({ event }) => event === 'authenticate')).toEqual([{ event: 'authenticate', data: { token: 'two' } }]);
  expect(parlor.state.getSnapshot().status).toBe('connected');
  fake.cut(1012);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(fake.dialled).toEqual(['one', 'two']);
});

test('a connection on which nothing is heard is given up', async () => {
  const parlor = await connected(fake.client());
  fake.mute = true;
  await vi.advanceTimersByTimeAsync(34_000);
  expect(parlor.state.getSnapshot().status).toBe('connected');
  fake.mute = false;
  await vi.advanceTimersByTimeAsync(3_000);
  expect(parlor.state.getSnapshot().status).toBe('connected');
  expect(fake.dialled).toHaveLength(2);
});

test('a quiet one that answers is kept', async () => {
  const parlor = await connected(fake.client());
  await vi.advanceTimersByTimeAsync(600_000);
  expect(fake.dialled).toHaveLength(1);
  expect(fake.requests.length).toBeGreaterThan(15);
  parlor.disconnect();
});

test('a request ends with the connection, and is not sent without one', async () => {
  const parlor = await connected(fake.client({ random: () => 1 }));
  fake.mute = true;
  const request = parlor.request('get_presence', { userIds: [] });
  const ended = expect(request).rejects.toMatchObject({ code: 'DISCONNECTED', retryable: true });
  await vi.advanceTimersByTimeAsync(5);
  fake.cut();
  await vi.advanceTimersByTimeAsync(5);
  await ended;
  await expect(parlor.request('get_presence', { userIds: [] })).rejects.toMatchObject({ code: 'DISCONNECTED' });
  parlor.disconnect();
});

test('a request that is not answered ends', async () => {
  const parlor = await connected(fake.client());
  fake.mute = true;
  const ended = expect(parlor.request('typing_start', { conversationId: 'x' })).rejects.toMatchObject({ code: 'TIMEOUT' });
  await vi.advanceTimersByTimeAsync(20_001);
  await ended;
  parlor.disconnect();
});

test('what is too big for a frame is refused here', async () => {
  const parlor = await connected(fake.client());
  const token = 'x'.repeat(140_000);
  await expect(parlor.request('authenticate', { token })).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE', retryable: false });
  expect(fake.open).toBe(1);
});

test('disconnect is the end of it, and connect a new beginning', async () => {
  const parlor = await connected(fake.client());
  parlor.disconnect();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(parlor.state.getSnapshot()).toEqual({ status: 'disconnected', reason: 'closed' });
  expect(fake.open).toBe(0);
  await connected(parlor);
  expect(fake.open).toBe(1);
});
