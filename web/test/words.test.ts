// Small words: addresses of the page, names, days, who types, where the connection stands, figures.
import { describe, expect, it } from 'vitest';
import { ceiling, keep, KEPT, pointsOf } from '../src/admin/series.js';
import { words as typing } from '../src/chat/typing.js';
import { words as connection } from '../src/connection.js';
import { changes } from '../src/details/settings.js';
import { codeOf } from '../src/list/join.js';
import { preview } from '../src/list/naming.js';
import { routeOf } from '../src/route.js';
import { initials } from '../src/ui/avatar.js';
import { dayOf } from '../src/ui/time.js';
import { message, user } from './help.js';

describe('an address', () => {
  it('names the page', () => {
    expect(routeOf('/', '?c=abc')).toEqual({ page: 'chat', conversationId: 'abc', inviteCode: null });
    expect(routeOf('/join/AB%20C', '')).toEqual({ page: 'join', conversationId: null, inviteCode: 'AB C' });
    expect(routeOf('/join/%zz', '')).toMatchObject({ inviteCode: '%zz' });
    expect(routeOf('/admin', '')).toEqual({ page: 'admin' });
    expect(routeOf('/elsewhere', '')).toEqual({ page: 'chat', conversationId: null, inviteCode: null });
  });
  it('of an invitation may be pasted whole', () => {
    expect(codeOf('https://chat.example/join/ABC?x=1')).toBe('ABC');
    expect(codeOf('  abc-def ')).toBe('abc-def');
  });
});

describe('words', () => {
  it('for a face', () => {
    expect([initials('Alice Moreau'), initials('bob'), initials('  '), initials('(x) Ünal y'), initials('😀')]).toEqual(['AM', 'B', '?', 'XY', '?']);
  });
  it('for a day', () => {
    const now = new Date(2026, 0, 10, 1);
    expect(dayOf(new Date(2026, 0, 10, 0, 5).toISOString(), now)).toBe('Today');
    expect(dayOf(new Date(2026, 0, 9, 23, 55).toISOString(), now)).toBe('Yesterday');
  });
  it('for the last message of a list', () => {
    const alice = user('alice', 'Alice');
    expect(preview(message(1, alice), 'id-alice', 'group')).toBe('You: text 1');
    expect(preview(message(1, alice, { type: 'drawing', content: {} }), 'id-bob', 'group')).toBe('Alice: Drawing');
    expect(preview(message(1, alice, { content: null, deletedAt: 'x' }), 'id-bob', 'direct')).toBe('Message deleted');
    expect(preview(null, 'id-bob', 'group')).toBe('No messages yet');
  });
  it('for who types', () => {
    expect([[], ['A'], ['A', 'B'], ['A', 'B', 'C']].map(typing)).toEqual([
      '',
      'A is typing …',
      'A and B are typing …',
      'Several people are typing …',
    ]);
  });
  it('for the connection', () => {
    const connecting = { status: 'connecting', reason: 'lost', failures: 1, retryAt: 5000 } as const;
    expect(connection(connecting, 2400, true)).toContain('Reconnecting in 3 s');
    expect(connection(connecting, 2400, false)).toContain('offline');
    expect(connection({ status: 'connected', sessionId: 's', nodeId: 'n' }, 0, true)).toBeNull();
    expect(connection({ status: 'disconnected', reason: 'revoked' }, 0, true)).toContain('administrator');
  });
});

describe('settings', () => {
  const view = { name: 'Tea', maxMembers: null, retentionSeconds: 60, slowModeSeconds: null } as Parameters<typeof changes>[0];
  const form = (fields: Record<string, string>) => ({ get: (name: string) => fields[name] ?? '' });
  it('say what differs only', () => {
    expect(changes(view, form({ name: 'Tea', retentionSeconds: '60' }))).toEqual({});
    expect(changes(view, form({ name: 'Coffee', maxMembers: '10', password: 'x' }))).toEqual({
      name: 'Coffee',
      maxMembers: 10,
      retentionSeconds: null,
      password: 'x',
    });
  });
});

describe('figures', () => {
  it('are kept for a while', () => {
    const one = { at: 0, sessions: 0, rate: 0, commit: 0, queue: 0 };
    let kept = keep([], one);
    for (let at = 1; at < KEPT + 5; at++) kept = keep(kept, { ...one, at });
    expect(kept).toHaveLength(KEPT);
    expect(kept.at(-1)?.at).toBe(KEPT + 4);
  });
  it('are drawn below a round number, the newest at the right', () => {
    expect([[0], [3], [12], [99], [0.04]].map(ceiling)).toEqual([1, 5, 20, 100, 0.05]);
    expect(pointsOf([0, 1], KEPT - 1, 10)).toBe(`${KEPT - 2},10 ${KEPT - 1},0`);
    expect(pointsOf([], 10, 10)).toBe('');
  });
});
