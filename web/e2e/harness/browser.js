// A real Chromium, one for each file of stories. Each person gets a context of their own in it: other cookies, other storage, as in
// another browser.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** Where Chromium is: PARLOR_CHROMIUM, or the first in the PATH. */
function executable() {
  const named = process.env['PARLOR_CHROMIUM'];
  if (named) return named;
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const found = NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(existsSync);
  if (!found) throw new Error('Chromium is missing: sudo apt-get install -y chromium, or name one in PARLOR_CHROMIUM');
  return found;
}

/** With a profile that is thrown away. The sandbox of Chromium does not work for root, who owns most containers. */
export function launch() {
  return chromium.launch({
    executablePath: executable(),
    headless: true,
    args: [
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      '--disable-gpu',
      '--disable-quic',
      '--disable-dev-shm-usage',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
