// Moments as people read them, in the language of the browser.
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'long' });
const date = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long' });
const longDate = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long', year: 'numeric' });
const shortDate = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });

export function timeOf(moment: string): string {
  return clock.format(new Date(moment));
}

export function wholeTime(moment: string): string {
  return whole.format(new Date(moment));
}

/** Days between two moments by the calendar of the browser. */
export function daysBetween(earlier: Date, later: Date): number {
  const day = (moment: Date) => Date.UTC(moment.getFullYear(), moment.getMonth(), moment.getDate());
  return Math.round((day(later) - day(earlier)) / 86_400_000);
}

/** `Today`, `Yesterday`, a weekday, a date. */
export function dayOf(moment: string, now = new Date()): string {
  const then = new Date(moment);
  const days = daysBetween(then, now);
  if (days <= 0) return 'Today';
  if (days === 1) return 'Yesterday';
  if (days < 7) return weekday.format(then);
  return (then.getFullYear() === now.getFullYear() ? date : longDate).format(then);
}

/** For a list: the time today, `Yesterday`, a weekday, a short date. */
export function briefly(moment: string, now = new Date()): string {
  const then = new Date(moment);
  const days = daysBetween(then, now);
  if (days <= 0) return clock.format(then);
  if (days === 1) return 'Yesterday';
  return days < 7 ? weekday.format(then) : shortDate.format(then);
}

/** `3 min ago`. */
export function ago(moment: string, now = Date.now()): string {
  const minutes = Math.floor((now - Date.parse(moment)) / 60_000);
  if (minutes < 1) return 'just now';
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ago`;
  return briefly(moment, new Date(now));
}
