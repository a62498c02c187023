// Listeners by event. Every subscription is ended by calling what it returned.

/** Ends a subscription. Calling it again does nothing. */
export type Unsubscribe = () => void;

/** A throwing listener must not keep the others from hearing: it fails as if it had been called by a timer. */
function call<T>(listener: (data: T) => void, data: T): void {
  try {
    listener(data);
  } catch (error) {
    setTimeout(() => {
      throw error;
    });
  }
}

/** Who listens to what. */
export class Emitter<Events extends object> {
  private readonly listeners = new Map<keyof Events, Set<(data: never) => void>>();

  on<Name extends keyof Events>(name: Name, listener: (data: Events[Name]) => void): Unsubscribe {
    const set = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, set);
    // One entry for each subscription: the same function may subscribe twice.
    const entry = (data: Events[Name]) => listener(data);
    set.add(entry as (data: never) => void);
    return () => void set.delete(entry as (data: never) => void);
  }

  emit<Name extends keyof Events>(name: Name, data: Events[Name]): void {
    for (const listener of [...(this.listeners.get(name) ?? [])]) call(listener as (data: Events[Name]) => void, data);
  }
}
