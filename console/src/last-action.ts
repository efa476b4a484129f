// Which action Try shows, and which agent Chat, when somebody comes to them from another screen.
import type { Route } from './route';
import type { Action } from './types';

type Place = Pick<Route, 'screen' | 'path'>;

/** The name of what the open definition defines; null where it is none of `known`, or no definition is open. */
export function definedIn(
  { screen, path }: Place,
  known: readonly { name: string; file?: string }[] | null,
): string | null {
  const file = path.join('/');
  const found = screen === 'definition' && file !== '' ? known?.find((one) => one.file === file) : undefined;
  return found?.name ?? null;
}

/** The action of the definition that is open, else the one that was tried last; null where there is none. */
export function actionToTry(
  place: Place,
  known: readonly Pick<Action, 'name' | 'file'>[] | null,
  last: string | null,
): string | null {
  const defined = definedIn(place, known);
  if (defined !== null) return defined;
  // An action that is gone is not gone back to.
  return known === null || known.some(({ name }) => name === last) ? last : null;
}
