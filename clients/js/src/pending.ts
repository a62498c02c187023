// Requests that wait for their answer, by number. Each ends: answered, refused, or given up after a time or with its connection.
import { ParlorError } from './error.js';

/** The server answers within 10 s; the way there and back takes its time too. */
const ANSWERED_WITHIN = 20_000;

interface Waiting {
  resolve: (data: unknown) => void;
  reject: (error: ParlorError) => void;
  timer: ReturnType<typeof setTimeout>;
}

export class Requests {
  private readonly waiting = new Map<number, Waiting>();

  constructor(public next = 1) {}

  /** Numbers a request and sends it; what `send` throws is its outcome. */
  begin(send: (id: number) => void): Promise<unknown> {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      const late = () => this.refuse(id, new ParlorError('TIMEOUT', 'the server did not answer', { retryable: true }));
      this.waiting.set(id, { resolve, reject, timer: setTimeout(late, ANSWERED_WITHIN) });
      try {
        send(id);
      } catch (error) {
        this.refuse(id, ParlorError.from(error));
      }
    });
  }

  answer(id: number, data: unknown): void {
    this.take(id)?.resolve(data);
  }

  refuse(id: number, error: ParlorError): void {
    this.take(id)?.reject(error);
  }

  /** The connection is gone. */
  abandon(): void {
    for (const id of [...this.waiting.keys()]) this.refuse(id, ParlorError.disconnected());
  }

  private take(id: number): Waiting | undefined {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    clearTimeout(waiting?.timer);
    return waiting;
  }
}
