// The way to the screens. Check says how many errors keep the project on disk from being served.
import { effect } from '@preact/signals';
import { actionToTry, definedIn } from './last-action';
import { href, namesEnvironment, route, SCREENS, type Screen } from './route';
import { actions, agents, environment, remember, remembered, status } from './state';

export const LABELS: Record<Screen, string> = {
  try: 'Try',
  chat: 'Chat',
  live: 'Live',
  check: 'Check',
  definition: 'Definition',
  health: 'Health',
};

// The tab remembers the last action of each environment.
effect(() => {
  const { screen, path } = route.value;
  const [place, name] = path;
  if (screen === 'try' && place && name) remember(`action.${place}`, name);
});

export function target(screen: Screen): string {
  const here = route.value;
  if (!namesEnvironment(screen)) return href(screen);
  if (here.screen === screen) return href(screen, here.path);
  const place = environment.value;
  if (place === '') return href(screen);
  let name: string | null = null;
  if (screen === 'try') name = actionToTry(here, actions.value, remembered(`action.${place}`));
  if (screen === 'chat') name = definedIn(here, agents.value);
  return href(screen, name === null ? [place] : [place, name]);
}

/** Chat is there where there is somebody to talk to. */
function isShown(screen: Screen): boolean {
  return screen !== 'chat' || route.value.screen === 'chat' || (agents.value?.length ?? 0) > 0;
}

/** The errors of the project on disk if it is not served; null if it is. */
function refusedErrors(): number | null {
  const reload = status.value?.reload;
  return reload?.outcome === 'refused' ? reload.errors : null;
}

function errorsText(count: number): string {
  return `${count} ${count === 1 ? 'error' : 'errors'}`;
}

export function Navigation() {
  const current = route.value.screen;
  return (
    <nav class="navigation" aria-label="Screens">
      {SCREENS.filter(isShown).map((screen) => (
        <a
          key={screen}
          href={target(screen)}
          aria-current={screen === current ? 'page' : undefined}
          data-testid={`nav-${screen}`}
        >
          {LABELS[screen]}
          {screen === 'check' && <CheckCount />}
        </a>
      ))}
    </nav>
  );
}

function CheckCount() {
  const errors = refusedErrors();
  if (errors === null) return null;
  return (
    <span class="navigation-count" data-testid="nav-check-count">
      <span aria-hidden="true">{errors > 0 ? errors : '!'}</span>
      <span class="visually-hidden">(last save not applied{errors > 0 && `: ${errorsText(errors)}`})</span>
    </span>
  );
}

/** Says on every screen but Check that the project on disk is not the one that is served. */
export function RefusedNotice() {
  const errors = refusedErrors();
  const shown = errors !== null && route.value.screen !== 'check';
  return (
    <div role="status">
      {shown && (
        <p class="refused-notice" data-testid="refused-notice">
          <span>
            Your last save was not applied{errors > 0 && `: the project has ${errorsText(errors)}`}. The gateway still uses
            the earlier version.
          </span>{' '}
          <a href={href('check')} data-testid="refused-notice-check">
            Open Check
          </a>
        </p>
      )}
    </div>
  );
}
