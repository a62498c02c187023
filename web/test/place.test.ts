// Where a list stands after it changed.
import { describe, expect, it } from 'vitest';
import { decide } from '../src/chat/end.js';
import { newBelow, shift, startOf } from '../src/chat/place.js';

const keys = (text: string) => [...text].map((key) => ({ key }));

describe('the first line', () => {
  it('moves down by what older pages put before it', () => expect(shift(keys('def'), keys('abcdef'))).toBe(-3));
  it('moves up by what retention took away', () => expect(shift(keys('abcdef'), keys('cdefg'))).toBe(2));
  it('stays when something comes at the end', () => expect(shift(keys('abc'), keys('abcd'))).toBe(0));
  it('is of another stretch when nothing is in common', () => expect(shift(keys('abc'), keys('xyz'))).toBe('other'));
  it('is of another stretch when the list was empty', () => expect(shift([], keys('a'))).toBe('other'));
});

describe('a list begins', () => {
  it('at the first unread line', () =>
    expect(startOf([{ firstUnread: false }, { firstUnread: true }])).toEqual({ at: 'line', index: 1, align: 'start' }));
  it('otherwise at the end', () => expect(startOf([{ firstUnread: false }])).toEqual({ at: 'end' }));
});

describe('what is below', () => {
  const lines = [
    { key: 'a', own: false },
    { key: 'b', own: false },
    { key: 'c', own: true },
    { key: 'd', own: false },
  ];
  it('are the lines of others behind the last seen one', () => expect(newBelow(lines, 'a')).toBe(2));
  it('is nothing when all was seen, or what was seen is gone', () => {
    expect(newBelow(lines, 'd')).toBe(0);
    expect(newBelow(lines, 'gone')).toBe(0);
    expect(newBelow(lines, null)).toBe(0);
  });
});

describe('the end is', () => {
  const box = (scrollTop: number, scrollHeight = 1000) => ({ scrollTop, scrollHeight, clientHeight: 200 });
  it('followed from near it', () => expect(decide(false, 700, box(790))).toBe(true));
  it('left by scrolling up', () => expect(decide(true, 800, box(500))).toBe(false));
  it('held when the content grows below', () => expect(decide(true, 800, box(800, 1400))).toBe(true));
  it('not found by scrolling down half of the way', () => expect(decide(false, 300, box(500))).toBe(false));
});
