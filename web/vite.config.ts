// How the page is built: the SDK from its source, nothing inlined, so that a strict Content-Security-Policy holds; and how
// `npm run dev` finds a server.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const server = process.env['PARLOR_URL'] ?? 'http://127.0.0.1:8080';

export default defineConfig({
  resolve: {
    alias: {
      '@parlor/client/react': here('../clients/js/src/react.ts'),
      '@parlor/client': here('../clients/js/src/index.ts'),
    },
    dedupe: ['react', 'react-dom'],
  },
  esbuild: { jsx: 'automatic' },
  build: { target: 'es2022', assetsInlineLimit: 0, modulePreload: { polyfill: false }, sourcemap: false },
  server: {
    fs: { allow: [here('.'), here('../clients/js')] },
    proxy: { '/api': server, '/uploads': server, '/ws': { target: server, ws: true } },
  },
  test: { include: ['test/**/*.test.ts'] },
});
