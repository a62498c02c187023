// A value that somebody looks at: a snapshot that stays the same object until something changed, and a subscription, in the
// form that React's useSyncExternalStore wants.
import { Emitter, type Unsubscribe } from './emitter.js';

/** Something to look at. Both functions may be handed on without their object. */
export interface Readable<T> {
  readonly getSnapshot: () => T;
  readonly subscribe: (listener: () => void) => Unsubscribe;
}

/** A snapshot that is made when somebody asks for it, out of what changed since. */
export class Derived<T> implements Readable<T> {
  private readonly changes = new Emitter<{ change: undefined }>();
  private cached: { value: T } | undefined;
  private announced = false;

  constructor(private readonly make: (before: T | undefined) => T) {}

  private last: T | undefined;

  readonly getSnapshot = (): T => {
    this.cached ??= { value: this.make(this.last) };
    this.last = this.cached.value;
    return this.cached.value;
  };

  readonly subscribe = (listener: () => void): Unsubscribe => this.changes.on('change', () => listener());

  /** Something changed. Listeners are told once, after what is going on now. */
  readonly touch = (): void => {
    this.cached = undefined;
    if (this.announced) return;
    this.announced = true;
    queueMicrotask(() => {
      this.announced = false;
      this.changes.emit('change', undefined);
    });
  };
}

/** A value that is set. */
export class Value<T> implements Readable<T> {
  private readonly derived: Derived<T>;

  constructor(private value: T) {
    this.derived = new Derived(() => this.value);
  }

  readonly getSnapshot = (): T => this.value;
  readonly subscribe = (listener: () => void): Unsubscribe => this.derived.subscribe(listener);

  set(value: T): void {
    if (Object.is(value, this.value)) return;
    this.value = value;
    this.derived.touch();
  }
}

/** `after`, or `before` when both hold the same elements: so that whoever compares sees no change. */
export function same<T>(before: readonly T[] | undefined, after: readonly T[]): readonly T[] {
  return before?.length === after.length && before.every((element, at) => Object.is(element, after[at])) ? before : after;
}
