// Where the page is: the fragment of its address.
import { signal } from '@preact/signals';

export const SCREENS = ['try', 'chat', 'live', 'check', 'definition', 'health'] as const;
export type Screen = (typeof SCREENS)[number];

/** Whether the address of a screen names an environment first. */
export function namesEnvironment(screen: Screen): boolean {
  return screen === 'try' || screen === 'chat' || screen === 'live';
}

export interface Route {
  screen: Screen;
  /** What follows the screen, decoded: `#/try/development/get_order` is `['development', 'get_order']`. */
  path: string[];
  query: URLSearchParams;
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = splitOnce(hash.replace(/^#\/?/, ''), '?');
  const [first = '', ...rest] = path.split('/').filter((segment) => segment !== '');
  const screen = SCREENS.find((name) => name === first) ?? 'try';
  return { screen, path: screen === first ? rest.map(decoded) : [], query: new URLSearchParams(query) };
}

function splitOnce(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

/** The fragment of a place in the console. A file's folders are segments of their own. */
export function href(screen: Screen, path: string[] = [], query: Record<string, string | number> = {}): string {
  const segments = [screen, ...path.map(encodeURIComponent)];
  const pairs = Object.entries(query).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return `#/${segments.join('/')}${pairs.length > 0 ? `?${pairs.join('&')}` : ''}`;
}

/** The fragment of a place in a definition file. */
export function definitionHref(file: string, line?: number | null, column?: number | null): string {
  return href('definition', file.split('/'), {
    ...(line ? { line } : {}),
    ...(line && column ? { column } : {}),
  });
}

export const route = signal<Route>(parseRoute(location.hash));

let mayShow: (fragment: string) => boolean = () => true;

/** Asks `may` before another place is shown: where it says no, the page stays as it is. Returns what ends that. */
export function guardRoute(may: (fragment: string) => boolean): () => void {
  mayShow = may;
  return () => {
    if (mayShow === may) mayShow = () => true;
  };
}

export function startRouting(): void {
  addEventListener('hashchange', () => {
    if (mayShow(location.hash)) route.value = parseRoute(location.hash);
  });
}

/** Goes to a place; `replace` leaves no entry in the browser's history. */
export function go(fragment: string, replace = false): void {
  if (fragment === location.hash) return;
  if (replace) {
    history.replaceState(null, '', fragment);
    route.value = parseRoute(fragment);
  } else {
    location.hash = fragment;
  }
}
