// Which stretches of a conversation are here, as intervals of positions: whoever jumps to an old message holds two of them
// until paging has closed the gap. Both ends belong to a segment. Knows positions only, no messages.

export interface Segment {
  readonly from: number;
  readonly to: number;
}

export class Segments {
  /** In order, and never touching. */
  private list: Segment[] = [];

  get all(): readonly Segment[] {
    return this.list;
  }

  /** The one that holds this position. */
  of(seq: number): Segment | undefined {
    return this.list.find((segment) => segment.from <= seq && seq <= segment.to);
  }

  /** Everything from `from` to `to` is here now; what overlaps or touches it becomes one. */
  add(from: number, to: number): void {
    if (to < from) return;
    const apart = this.list.filter((segment) => segment.to + 1 < from || to + 1 < segment.from);
    const joined = this.list.filter((segment) => !apart.includes(segment));
    const merged = {
      from: Math.min(from, ...joined.map((segment) => segment.from)),
      to: Math.max(to, ...joined.map((segment) => segment.to)),
    };
    this.list = [...apart, merged].sort((a, b) => a.from - b.from);
  }

  /** Nothing up to here is there any more. */
  cutBelow(seq: number): void {
    this.list = this.list
      .filter((segment) => segment.to > seq)
      .map((segment) => ({ from: Math.max(segment.from, seq + 1), to: segment.to }));
  }

  clear(): void {
    this.list = [];
  }
}
