/** A port of 127.0.0.1 that no other test takes until it is released: of this process, or of another. */
export function reservePort(): Promise<{ number: number; release: () => Promise<void> }>;
