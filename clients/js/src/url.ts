// The server's two addresses, made of the one that is given: http for REST, ws for the socket.

/** `https://chat.example/` or `wss://chat.example` → `https://chat.example`. Without one, the page's own server. */
export function httpUrl(url: string | undefined): string {
  const given = url ?? globalThis.location?.origin;
  if (!given) throw new TypeError('the url of the server is needed');
  return given.replace(/^ws/, 'http').replace(/\/+$/, '');
}

/** The same → `wss://chat.example/ws`. */
export function socketUrl(url: string): string {
  return `${url.replace(/^http/, 'ws')}/ws`;
}
