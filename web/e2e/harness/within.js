// How long anything may take to be seen, in milliseconds: long enough for a busy machine, short enough that a failure is told soon.
export const WITHIN = 20_000;
