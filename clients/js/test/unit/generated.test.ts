// src/generated/ is what `npm run generate` makes of openapi.json and asyncapi.json (which a test of the server keeps fresh).
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
// @ts-expect-error a script without types
import { generated } from '../../scripts/generate.mjs';

test('the generated types are fresh', async () => {
  const files = (await generated()) as Record<string, string>;
  expect(Object.keys(files)).toEqual(['openapi.ts', 'asyncapi.ts']);
  for (const [name, text] of Object.entries(files)) {
    const file = readFileSync(new URL(`../../src/generated/${name}`, import.meta.url), 'utf8');
    expect(file === text, `src/generated/${name} is not fresh: npm run generate`).toBe(true);
  }
});
