// Words for what the gateway tells in codes.

/** A time that somebody has set, in the unit that reads best. */
export function durationText(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${Number((ms / 1000).toFixed(2))} s`;
}

const EFFECTS: Record<string, string> = {
  none: 'Nothing was changed.',
  unknown: 'It may have been done.',
};

const RETRIES: Record<string, string> = {
  no: 'Do not try again.',
  with_changes: 'Try again with other arguments.',
  later: 'You can try again.',
};

/** What an error means for the one who called. */
export function adviceText(effect: string | undefined, retry: string | undefined): string {
  return [EFFECTS[effect ?? ''], RETRIES[retry ?? '']].filter(Boolean).join(' ');
}
