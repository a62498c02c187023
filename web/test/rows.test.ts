// What stands before a message, and which messages are one group.
import { describe, expect, it } from 'vitest';
import { firstUnread, linesOf } from '../src/chat/rows.js';
import { message, pending, user } from './help.js';

const [alice, bob] = [user('alice'), user('bob')];
const at = (day: number, hour: number, minute: number) => ({ createdAt: new Date(2026, 0, day, hour, minute).toISOString() });
const lines = (messages: ReturnType<typeof message>[], unreadAfter: number | null = null) =>
  linesOf({ messages, pending: [], me: alice, unreadAfter });

describe('lines', () => {
  it('group what one sender says within five minutes', () => {
    const made = lines([
      message(1, bob, at(10, 12, 0)),
      message(2, bob, at(10, 12, 4)),
      message(3, bob, at(10, 12, 9)),
      message(4, alice, at(10, 12, 9)),
    ]);
    expect(made.map(({ continues }) => continues)).toEqual([false, true, false, false]);
    expect(made.map(({ own }) => own)).toEqual([false, false, false, true]);
  });

  it('begin a day, and a group with it', () => {
    const made = lines([message(1, bob, at(10, 23, 59)), message(2, bob, at(11, 0, 1))]);
    expect(made.map(({ newDay }) => newDay)).toEqual([true, true]);
    expect(made[1]?.continues).toBe(false);
  });

  it('do not go on behind a system message, nor with an answer', () => {
    const quote = { id: 'm1', seq: 1, type: 'text' as const, sender: alice, preview: 'hi' };
    const made = lines([message(1, bob), message(2, bob, { type: 'system' }), message(3, bob), message(4, bob, { replyTo: quote })]);
    expect(made.map(({ continues }) => continues)).toEqual([false, false, false, false]);
  });

  it('mark the first unread message of others, once', () => {
    const made = lines([message(1, bob), message(2, alice), message(3, bob), message(4, bob)], 1);
    expect(made.map(({ firstUnread }) => firstUnread)).toEqual([false, false, true, false]);
    expect(made[2]?.continues).toBe(false);
    expect(lines([message(1, bob)]).some(({ firstUnread }) => firstUnread)).toBe(false);
  });

  it('keep the key of a message from its sending on', () => {
    const sending = linesOf({ messages: [], pending: [pending('c-1', new Date(2026, 0, 10))], me: alice, unreadAfter: null });
    const there = lines([message(1, alice, { clientId: 'c-1' })]);
    expect(there[0]?.key).toBe(sending[0]?.key);
    expect(sending[0]).toMatchObject({ own: true, message: null });
  });
});

describe('the first unread message', () => {
  it('is of somebody else, neither deleted nor the server’s', () => {
    const messages = [
      message(5, alice),
      message(6, bob, { deletedAt: '2026-01-10T12:00:00.000Z', content: null }),
      message(7, bob, { type: 'system' }),
      message(8, bob),
    ];
    expect(firstUnread(messages, 4, alice.id)).toBe(3);
    expect(firstUnread(messages, 8, alice.id)).toBe(-1);
  });
});
