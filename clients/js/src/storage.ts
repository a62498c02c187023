// Where the outbox is kept over a reload. A browser's localStorage fits as it is.

/** The part of the web's Storage that is used. */
export interface OutboxStorage {
  readonly length: number;
  key(index: number): string | null;
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** Entries under one prefix, one key each, so that two tabs do not write over each other. */
export class Shelf<T> {
  constructor(
    private readonly storage: OutboxStorage | undefined,
    private readonly prefix: string,
  ) {}

  all(): T[] {
    const { storage, prefix } = this;
    if (!storage) return [];
    const keys = Array.from({ length: storage.length }, (_, at) => storage.key(at)).filter((key) => key?.startsWith(prefix));
    return keys.flatMap((key) => {
      try {
        return [JSON.parse(storage.getItem(key as string) ?? '') as T];
      } catch {
        return []; // not ours, or cut off
      }
    });
  }

  put(key: string, entry: T): void {
    try {
      this.storage?.setItem(this.prefix + key, JSON.stringify(entry));
    } catch {
      // Full, or forbidden: it is kept in memory as without a storage.
    }
  }

  remove(key: string): void {
    this.storage?.removeItem(this.prefix + key);
  }
}
