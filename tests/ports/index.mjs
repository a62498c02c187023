// Ports for servers that are to be found at the same address again after they were down. Used by the harnesses in JavaScript;
// `mod.rs` is the same for the ones in Rust, and says why it is done like this.
import { createServer } from 'node:net';

const RESERVES = '127.0.0.2';
const [FIRST, END] = [20_000, 32_000];

/** Where to look next: `fetch` may still believe in a connection to the server that was on the last one. */
let next = FIRST;

/** Listens there, if nobody else does. It does not keep the process alive. */
function listen(host, port) {
  return new Promise((resolve) => {
    const server = createServer().unref();
    server.once('error', () => resolve(null));
    server.listen({ host, port, exclusive: true }, () => resolve(server));
  });
}

const close = (server) => new Promise((closed) => server.close(closed));

/** A port of 127.0.0.1 that no other test takes until it is released: of this process, or of another. */
export async function reservePort() {
  while (next < END) {
    const number = next++;
    const reserved = await listen(RESERVES, number);
    if (!reserved) continue;
    const free = await listen('127.0.0.1', number);
    if (free) {
      await close(free);
      return { number, release: () => close(reserved) };
    }
    await close(reserved);
  }
  throw new Error(`no port from ${FIRST} to ${END} is free`);
}
