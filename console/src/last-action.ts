// Which action Try shows when somebody comes to it from another screen.
import type { Route } from './route';
import type { Action } from './types';

/** The action of the definition that is open, else the one that was tried last; null where there is none. */
export function actionToTry(
  { screen, path }: Pick<Route, 'screen' | 'path'>,
  known: readonly Pick<Action, 'name' | 'file'>[] | null,
  last: string | null,
): string | null {
  const file = path.join('/');
  const defined = screen === 'definition' ? known?.find((action) => action.file === file) : undefined;
  if (defined) return defined.name;
  // An action that is gone is not gone back to.
  return known === null || known.some(({ name }) => name === last) ? last : null;
}
