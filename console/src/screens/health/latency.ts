/** A bucket of a cumulative histogram: how many calls took `le_ms` at most; null is without bound. */
export interface Bucket {
  le_ms: number | null;
  calls: number;
}

/** A bucket by itself: the calls that took more than `over_ms` and at most `upto_ms`. */
export interface Bar {
  over_ms: number;
  upto_ms: number | null;
  calls: number;
}

export interface Estimate {
  ms: number;
  /** The value lies in the bucket without bound, so it is at least this. */
  atLeast: boolean;
}

/** The bars of a cumulative histogram. Counts that fall count as nothing. */
export function bars(buckets: readonly Bucket[]): Bar[] {
  const list: Bar[] = [];
  let over = 0;
  let before = 0;
  for (const bucket of inOrder(buckets)) {
    list.push({ over_ms: over, upto_ms: bucket.le_ms, calls: Math.max(0, bucket.calls - before) });
    over = bucket.le_ms ?? over;
    before = Math.max(before, bucket.calls);
  }
  return list;
}

/** Estimates within how many milliseconds a share of the calls ended, by a straight line within a bucket. */
export function quantile(buckets: readonly Bucket[], share: number): Estimate | null {
  const list = bars(buckets);
  const total = list.reduce((sum, bar) => sum + bar.calls, 0);
  if (total === 0) return null;
  const wanted = share * total;
  let seen = 0;
  for (const bar of list) {
    if (bar.calls > 0 && seen + bar.calls >= wanted) {
      if (bar.upto_ms === null) return { ms: bar.over_ms, atLeast: true };
      const part = (wanted - seen) / bar.calls;
      return { ms: bar.over_ms + (bar.upto_ms - bar.over_ms) * part, atLeast: false };
    }
    seen += bar.calls;
  }
  return null;
}

function inOrder(buckets: readonly Bucket[]): Bucket[] {
  return [...buckets].sort((a, b) => (a.le_ms ?? Infinity) - (b.le_ms ?? Infinity));
}
