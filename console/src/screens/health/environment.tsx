// What is known of one environment: its services, tokens, actions and latest errors.
import type { ComponentChildren } from 'preact';
import type { EnvironmentStatus } from '../../api';
import { href } from '../../route';
import { visible } from '../../text';
import { ActionsTable } from './actions';
import { Age, Until } from './age';
import { daysUntil } from './ages';

const warnBelowDays = 14;

export function EnvironmentHealth({ environment }: { environment: EnvironmentStatus }) {
  const { name } = environment;
  const connections = environment.connections ?? [];
  const connectors = environment.connectors ?? [];
  const actions = environment.actions ?? [];
  const errors = environment.errors ?? [];
  const title = `environment-${name}`;
  const isEmpty = connections.length + connectors.length + actions.length + errors.length === 0;
  return (
    <section class="panel" aria-labelledby={title} data-testid={`health-${name}`}>
      <h2 id={title}>{visible(name)}</h2>
      {isEmpty && <p class="hint">Nothing is known of it yet.</p>}
      {connections.length > 0 && (
        <Block title="Connections">
          <ul class="plain cards">
            {connections.map((connection) => (
              <Connection key={connection.name} connection={connection} />
            ))}
          </ul>
        </Block>
      )}
      {connectors.length > 0 && (
        <Block title="Tokens">
          <ul class="plain cards">
            {connectors.map((connector) => (
              <Connector key={connector.name} connector={connector} />
            ))}
          </ul>
        </Block>
      )}
      {actions.length > 0 && (
        <Block title="Actions">
          <ActionsTable actions={actions} environment={name} />
        </Block>
      )}
      {errors.length > 0 && (
        <Block title="Latest errors">
          <ul class="plain errors">
            {errors.map((error, place) => (
              <LatestError key={place} error={error} environment={name} />
            ))}
          </ul>
        </Block>
      )}
    </section>
  );
}

function Block({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <div class="block">
      <h3>{title}</h3>
      {children}
    </div>
  );
}

type ConnectionStatus = EnvironmentStatus['connections'][number];

const breakers: Record<string, { icon: string; word: string; tone: string }> = {
  closed: { icon: '✓', word: 'Healthy (breaker closed)', tone: 'good-text' },
  half_open: { icon: '▲', word: 'Trying again (breaker half open)', tone: 'warning-text' },
  open: { icon: '✕', word: 'Left alone (breaker open)', tone: 'error-text' },
};

function Connection({ connection }: { connection: ConnectionStatus }) {
  const breaker = breakers[connection.breaker];
  const most = connection.max_in_flight ?? connection.max_concurrent;
  return (
    <li class="card" data-testid={`connection-${connection.name}`}>
      <strong>{visible(connection.name)}</strong>
      {connection.origin && connection.origin !== connection.name && <span class="hint">{visible(connection.origin)}</span>}
      <span class={breaker?.tone} data-testid="breaker">
        <span aria-hidden="true">{breaker?.icon ?? '?'}</span> {breaker?.word ?? 'Breaker: unknown'}
      </span>
      <span>
        {connection.running ?? 0} running{most ? ` of ${most}` : ''}, {connection.waiting ?? 0} waiting
      </span>
      {connection.certificate && <Certificate at={connection.certificate.expires_at} />}
    </li>
  );
}

function Certificate({ at }: { at: string }) {
  const days = daysUntil(at, Date.now());
  if (days === null) return <span>Certificate: end unknown</span>;
  const isSoon = days < warnBelowDays;
  return (
    <span class={isSoon ? 'warning-text' : undefined} title={at} data-testid="certificate">
      {isSoon && <span aria-hidden="true">▲ </span>}
      {days < 0 ? 'Certificate has expired' : `Certificate expires in ${days} ${days === 1 ? 'day' : 'days'}`}
      {isSoon && days >= 0 && ': renew it'}
    </span>
  );
}

type ConnectorStatus = EnvironmentStatus['connectors'][number];

const tokens: Record<string, { icon: string; word: string; tone: string }> = {
  none: { icon: '', word: 'No token fetched yet', tone: 'hint' },
  valid: { icon: '✓', word: 'Token valid', tone: 'good-text' },
  expired: { icon: '▲', word: 'Token expired', tone: 'warning-text' },
  backing_off: { icon: '✕', word: 'No token: the gateway waits before it asks again', tone: 'error-text' },
};

function Connector({ connector }: { connector: ConnectorStatus }) {
  const token = tokens[connector.token];
  return (
    <li class="card" data-testid={`connector-${connector.name}`}>
      <strong>{visible(connector.name)}</strong>
      <span class={token?.tone}>
        <span aria-hidden="true">{token?.icon ?? '?'}</span> {token?.word ?? 'Token: unknown'}
        {connector.token === 'valid' && connector.expires_at && (
          <>
            {' '}
            <Until at={connector.expires_at} />
          </>
        )}
      </span>
      {connector.fetched !== undefined && (
        <span class="hint">
          {connector.fetched} fetched{connector.failed ? `, ${connector.failed} failed` : ''}
        </span>
      )}
    </li>
  );
}

type ErrorStatus = EnvironmentStatus['errors'][number];

function LatestError({ error, environment }: { error: ErrorStatus; environment: string }) {
  return (
    <li class="latest-error" data-testid="latest-error">
      <Age at={error.at} />
      <span class="mono">{visible(error.action)}</span>
      <code>{visible(error.code)}</code>
      <span class="latest-error-message">{visible(error.message)}</span>
      {error.conversation_id ? (
        <a href={href('live', [environment, error.conversation_id])} data-testid="error-conversation">
          Conversation <bdi>{visible(error.conversation_id)}</bdi>
        </a>
      ) : (
        <span class="hint">no conversation</span>
      )}
    </li>
  );
}
