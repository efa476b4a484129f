// The frame of every screen: the name, the environment, the way to the other screens, and what is wrong with the gateway.
import { useEffect } from 'preact/hooks';
import { Boundary, Lazy } from './components/lazy';
import { KeyPrompt } from './components/keyprompt';
import { tryAgain } from './load';
import { LABELS, Navigation, RefusedNotice, target } from './navigation';
import { route } from './route';
import {
  actions,
  chooseEnvironment,
  environment,
  environments,
  isProduction,
  key,
  refused,
  status,
  unreachable,
} from './state';
import { visible } from './text';

const LOADERS = {
  try: () => import('./screens/try/index'),
  chat: () => import('./screens/chat/index'),
  live: () => import('./screens/live/index'),
  check: () => import('./screens/check/index'),
  definition: () => import('./screens/definition/index'),
  health: () => import('./screens/health/index'),
};

/** Loads the other screens while nothing else is to do: they are there if the gateway goes away. */
function loadOtherScreens() {
  // A screen that cannot be loaded says so when it is opened.
  for (const load of Object.values(LOADERS)) load().catch(() => undefined);
}

function EnvironmentSelect() {
  const known = environments.value ?? [];
  const shown = environment.value;
  const names = shown === '' || known.includes(shown) ? known : [...known, shown];
  const production = isProduction(shown);
  return (
    <div class={production ? 'environment environment-production' : 'environment'}>
      <label for="environment" class="environment-label">
        Environment
      </label>
      <select
        id="environment"
        value={shown}
        aria-describedby={production ? 'environment-production' : undefined}
        onChange={(event) => chooseEnvironment(event.currentTarget.value)}
        data-testid="env-select"
      >
        {names.map((name) => (
          <option key={name} value={name} selected={name === shown}>
            {visible(name)}
          </option>
        ))}
      </select>
      {production && (
        <strong
          id="environment-production"
          class={/production/i.test(shown) ? 'visually-hidden' : 'environment-mark'}
          data-testid="env-production"
        >
          production
        </strong>
      )}
    </div>
  );
}

function UnreachableBanner() {
  const why = unreachable.value;
  if (why === null) return null;
  return (
    <div class="banner" role="alert" data-testid="unreachable">
      <span>{why} Nothing that you typed is lost.</span>
      <button type="button" class="button button-small" onClick={() => void tryAgain()} data-testid="try-again">
        Try again
      </button>
    </div>
  );
}

function Content() {
  const { screen } = route.value;
  const known = environments.value;
  const named = environment.value;
  if (refused.value !== null && (known === null || (actions.value === null && screen === 'try'))) {
    return (
      <div class="notice notice-error stack" role="alert" data-testid="refused">
        <p>The gateway refuses: {visible(refused.value)}</p>
        <div>
          <button type="button" class="button" onClick={() => void tryAgain()}>
            Try again
          </button>
        </div>
      </div>
    );
  }
  if (known && known.length === 0) return <p class="notice">This gateway serves no environment to you.</p>;
  if (known && named !== '' && !known.includes(named)) {
    return (
      <p class="notice notice-error" role="alert" data-testid="unknown-environment">
        This gateway serves no environment “{visible(named)}” to you. Choose another one above.
      </p>
    );
  }
  return (
    <Boundary
      key={screen}
      fallback={(error, again) => (
        <div class="notice notice-error" role="alert">
          <p>This screen met a fault of the console: {error}</p>
          <button type="button" class="button" onClick={again}>
            Show it again
          </button>
        </div>
      )}
    >
      <Lazy key={screen} load={LOADERS[screen]} name={LABELS[screen]} />
    </Boundary>
  );
}

export function App() {
  const version = status.value?.version;
  const production = isProduction(environment.value);
  const { screen, path } = route.value;
  const isReady = environments.value !== null;
  useEffect(() => {
    if (!isReady) return undefined;
    const idle = requestIdleCallback(loadOtherScreens);
    return () => cancelIdleCallback(idle);
  }, [isReady]);
  useEffect(() => {
    const named = screen === 'try' || screen === 'chat' ? path[1] : undefined;
    const place = named ? `${named} · ${LABELS[screen]}` : LABELS[screen];
    document.title = `${place} · Callgate console`;
  }, [screen, path]);
  return (
    <>
      <a class="skip" href="#main" onClick={skipToMain}>
        Skip to the content
      </a>
      <header class={production ? 'header header-production' : 'header'}>
        <a class="brand" href={target('try')}>
          Callgate <span class="brand-sub">console</span>
        </a>
        <Navigation />
        <EnvironmentSelect />
      </header>
      <UnreachableBanner />
      <RefusedNotice />
      <main id="main" class="main" tabIndex={-1}>
        <Content />
      </main>
      <footer class="footer">
        <span>Callgate {version ?? ''}</span>
        <a href="licenses.txt">Licences</a>
        {key.value !== '' && (
          <button type="button" class="button-link" onClick={forgetKey} data-testid="forget-key">
            Forget the key
          </button>
        )}
      </footer>
      <KeyPrompt />
    </>
  );
}

function forgetKey() {
  key.value = '';
  location.reload();
}

function skipToMain(event: Event) {
  event.preventDefault();
  document.getElementById('main')?.focus();
}
