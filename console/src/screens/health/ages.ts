// How long ago, and how long still, in words.

const minute = 60_000;
const hour = 60 * minute;
export const day = 24 * hour;

export function ageText(at: number, now: number): string {
  if (!Number.isFinite(at)) return 'at an unknown time';
  const ms = now - at;
  return ms < 5000 ? 'just now' : `${spanText(ms)} ago`;
}

export function untilText(at: number, now: number): string {
  if (!Number.isFinite(at)) return 'until an unknown time';
  return at <= now ? 'expired' : `for ${spanText(at - now)}`;
}

/** The largest unit that fits, rounded down: "3 min", "2 h", "9 days". */
export function spanText(ms: number): string {
  if (ms < minute) return `${Math.max(1, Math.floor(ms / 1000))} s`;
  if (ms < hour) return `${Math.floor(ms / minute)} min`;
  if (ms < 2 * day) return `${Math.floor(ms / hour)} h`;
  return `${Math.floor(ms / day)} days`;
}

/** Whole days until a time; negative once it is past. */
export function daysUntil(at: string, now: number): number | null {
  const time = Date.parse(at);
  return Number.isFinite(time) ? Math.floor((time - now) / day) : null;
}
