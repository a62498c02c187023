// Pictures for stories: real PNG files, of mountains in the evening, so that screenshots have something to show.
import { deflateSync } from 'node:zlib';

/** @param {string} name @param {Buffer} data */
function chunk(name, data) {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}

/** @param {Buffer} bytes */
function crc32(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  }
  return ~sum >>> 0;
}

/** How high a ridge is at `x` (0 to 1), as a share of the picture. @param {number} x @param {number} which */
function ridge(x, which) {
  const peaks = Math.abs(((x * (2.3 + which) + which * 0.37) % 1) - 0.5);
  return 0.5 + which * 0.16 - (0.34 - which * 0.05) * (0.5 - peaks) - 0.02 * Math.sin(x * 47 + which * 5);
}

/** @param {number} x @param {number} y both 0 to 1 @param {number} shape height for width */
function colour(x, y, shape) {
  for (const which of [2, 1, 0]) if (y > ridge(x, which)) return [[92, 106, 152], [58, 78, 118], [34, 52, 78]][which] ?? [];
  const fromSun = Math.hypot(x - 0.68, (y - 0.24) * shape);
  if (fromSun < 0.06) return [255, 236, 190];
  const glow = Math.max(0, 0.5 - fromSun);
  return [120 + 110 * y + 120 * glow, 150 + 30 * y + 60 * glow, 206 - 50 * y];
}

/** @param {number} width @param {number} height */
export function png(width, height) {
  const row = (/** @type {number} */ y) => {
    const pixels = Buffer.alloc(1 + width * 3);
    for (let x = 0; x < width; x++) {
      const parts = colour(x / width, y / height, height / width);
      pixels.set(parts.map((part) => Math.min(255, Math.round(part))), 1 + x * 3);
    }
    return pixels;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const body = deflateSync(Buffer.concat(Array.from({ length: height }, (_, y) => row(y))));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', head), chunk('IDAT', body), chunk('IEND', Buffer.alloc(0))]);
}
