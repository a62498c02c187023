// Calling somebody: finding names in a text, completing one.
import { describe, expect, it } from 'vitest';
import { begun, candidates, complete, parts } from '../src/chat/mention.js';
import { user } from './help.js';

const [ann, anna, bob] = [user('ann', 'Ann Lee'), user('anna', 'Anna Bell'), user('bob', 'Bob Annis')];

describe('what is begun', () => {
  it('is an @ and the beginning of a name before the caret', () => {
    expect(begun('hi @an', 6)).toEqual({ start: 3, query: 'an' });
    expect(begun('@', 1)).toEqual({ start: 0, query: '' });
    expect(begun('hi @an there', 6)).toEqual({ start: 3, query: 'an' });
  });
  it('is nothing in an address, or behind a space', () => {
    expect(begun('bob@an', 6)).toBeNull();
    expect(begun('@an there', 9)).toBeNull();
  });
});

describe('completion', () => {
  it('offers names first, then words of display names', () => {
    expect(candidates([bob, anna, ann], 'ann').map(({ name }) => name)).toEqual(['anna', 'ann', 'bob']);
    expect(candidates([bob, anna, ann], 'bell')).toEqual([anna]);
    expect(candidates([bob], 'x')).toEqual([]);
  });
  it('puts the name and one space, and the caret behind it', () => {
    expect(complete('hi @an', 6, { start: 3, query: 'an' }, 'anna')).toEqual({ text: 'hi @anna ', caret: 9 });
    expect(complete('hi @an there', 6, { start: 3, query: 'an' }, 'anna')).toEqual({ text: 'hi @anna there', caret: 9 });
  });
});

describe('a text', () => {
  const marked = (text: string, ...users: (typeof ann)[]) =>
    parts(text, users).flatMap((part) => (part.kind === 'text' ? [] : [`${part.kind} ${part.text}`]));

  it('has mentions where names end as words do', () => {
    expect(marked('@ann, @ANN. (@ann) @anna', ann)).toEqual(['mention @ann', 'mention @ANN', 'mention @ann']);
    expect(marked('bob@ann @ann.b', ann)).toEqual([]);
  });
  it('has the longest name that fits', () => expect(marked('@anna', ann, anna)).toEqual(['mention @anna']));
  it('marks nobody whom the server does not name', () => expect(marked('@bob')).toEqual([]));
  it('has web addresses without what ends the sentence, and no others', () => {
    expect(marked('see https://a.example/x?y=1. Or (http://b.example)!')).toEqual(['link https://a.example/x?y=1', 'link http://b.example']);
    expect(marked('javascript:alert(1) data:text/html,x https://')).toEqual([]);
  });
  it('comes back whole, whatever is in it', () => {
    for (const text of ['<b>&amp;</b> @ann https://x.example/<script>', '😀 @ann\n\n', '@@ann @', 'hhttp://', '']) {
      expect(parts(text, [ann]).map((part) => part.text).join('')).toBe(text);
    }
  });
});
