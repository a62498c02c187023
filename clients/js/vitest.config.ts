// Unit tests (a fake server, a fake clock) and end-to-end tests (the real program, named by PARLOR_BIN) as two projects:
// `npm test -- --project unit`.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  resolve: { alias: { '@parlor/client/react': here('src/react.ts'), '@parlor/client': here('src/index.ts') } },
  esbuild: { jsx: 'automatic' },
  test: {
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      { extends: true, test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 30_000, expect: { poll: { timeout: 20_000 } } } },
    ],
  },
});
