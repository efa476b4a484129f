// Health: what the gateway says of itself.
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { api, ApiError, errorText, isAbort, type Status } from '../../api';
import { usePoll } from '../../poll';
import { status as sharedStatus } from '../../state';
import { visible } from '../../text';
import { Age } from './age';
import { EnvironmentHealth } from './environment';

const pollEveryMs = 3000;

export default function HealthScreen() {
  const [failure, setFailure] = useState<string | null>(null);
  const refresh = usePoll(async (signal) => {
    try {
      sharedStatus.value = await api.status(signal);
      setFailure(null);
    } catch (error) {
      // The frame of the page says that there is no gateway; what is shown stays.
      if (isAbort(error) || (error instanceof ApiError && error.code === 'unreachable')) return;
      const isOlder = error instanceof ApiError && error.status === 404;
      setFailure(isOlder ? 'This gateway does not tell its status: it is older than this page.' : errorText(error));
    }
  }, pollEveryMs);
  const status = sharedStatus.value;

  return (
    <section class="health" data-testid="health-screen" aria-labelledby="health-title">
      <header class="screen-head">
        <h1 id="health-title">Health</h1>
        <button type="button" class="button button-small" onClick={refresh} data-testid="health-refresh">
          Refresh
        </button>
      </header>
      {failure && (
        <p class="notice notice-error" role="alert" data-testid="health-failure">
          {failure}
        </p>
      )}
      {!status && !failure && <p class="hint">Asking the gateway …</p>}
      {status && <Gateway status={status} />}
      {status?.environments?.map((environment) => (
        <EnvironmentHealth key={environment.name} environment={environment} />
      ))}
    </section>
  );
}

function Gateway({ status }: { status: Status }) {
  const { reload, calls, store } = status;
  const warnings = store?.warnings ?? [];
  return (
    <section class="panel" aria-labelledby="gateway-title" data-testid="health-gateway">
      <h2 id="gateway-title">Gateway</h2>
      <dl class="overview">
        <Fact name="Version">{visible(status.version ?? 'unknown')}</Fact>
        {status.started_at && (
          <Fact name="Started">
            <Age at={status.started_at} />
          </Fact>
        )}
        {status.loaded_at && (
          <Fact name="Project read">
            <Age at={status.loaded_at} />
          </Fact>
        )}
        <Fact name="Latest reload">{reload ? <Reload reload={reload} /> : 'none since the start'}</Fact>
        {calls && (
          <Fact name="Calls in flight">
            {calls.in_flight} of {calls.most}
          </Fact>
        )}
        {store && <Fact name="Store">{visible(store.backend)}</Fact>}
        <Fact name="Definitions">{status.edit ? 'can be edited' : 'read only'}</Fact>
      </dl>
      {warnings.length > 0 && (
        <ul class="plain warnings" data-testid="store-warnings">
          {warnings.map((warning) => (
            <li key={warning} class="warning-text">
              <span aria-hidden="true">▲</span> Warning: {visible(warning)}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Reload({ reload }: { reload: NonNullable<Status['reload']> }) {
  const refused = reload.outcome === 'refused';
  return (
    <span class={refused ? 'error-text' : undefined} data-testid="latest-reload">
      <span aria-hidden="true">{refused ? '✕' : '✓'}</span> {refused ? 'refused' : 'taken'} <Age at={reload.at} />
      {refused && (
        <>
          {', '}
          {reload.errors} {reload.errors === 1 ? 'error' : 'errors'} (<a href="#/check">Check</a>)
        </>
      )}
      {!refused && reload.warnings > 0 && `, ${reload.warnings} ${reload.warnings === 1 ? 'warning' : 'warnings'}`}
    </span>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
