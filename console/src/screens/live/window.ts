/** Which rows of a long list are in the document. */
export interface Window {
  start: number;
  end: number;
}

export const windowStep = 100;
export const windowMost = 300;

/** The window over the newest rows. */
export function atNewest(total: number): Window {
  return { start: Math.max(0, total - windowStep), end: total };
}

/** The window after the list has grown to `total`: it moves along with a reader at the newest end, and stays for others. */
export function afterGrowth(window: Window, total: number, follows: boolean): Window {
  if (follows) return atNewest(total);
  return { start: Math.min(window.start, total), end: Math.min(total, Math.max(window.end, 0)) };
}

/** A window in which the row at `place` stands. */
export function around(place: number, total: number): Window {
  const start = Math.max(0, Math.min(place - windowStep / 2, total - windowStep));
  return { start, end: Math.min(total, start + windowStep) };
}

export function older(window: Window): Window {
  const start = Math.max(0, window.start - windowStep);
  return { start, end: Math.min(window.end, start + windowMost) };
}

export function newer(window: Window, total: number): Window {
  const end = Math.min(total, window.end + windowStep);
  return { start: Math.max(window.start, end - windowMost), end };
}
