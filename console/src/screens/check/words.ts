/** Hour and minute, with the date where it is not that of today, in the time zone of the reader. */
export function clockText(at: string, now = new Date()): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return at;
  const time = date.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', hour12: false });
  return date.toDateString() === now.toDateString() ? time : `${date.toLocaleDateString()}, ${time}`;
}

/** Why a reload was refused, without what the heading says already. */
export function reasonText(reason: string): string {
  return reason.replace(/^reload refused: /, '');
}
