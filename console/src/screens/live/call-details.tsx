// All that the feed says of one call.
import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import { CopyButton } from '../../components/copy';
import { Waterfall } from '../../components/waterfall';
import { pretty, type Node } from '../../json';
import { msText, visible } from '../../text';
import { asNumber, asText, phasesOf, type CallRow, type FeedEvent } from './feed';
import { OpenInTry } from './open-in-try';
import { BodyView, dataOf, memberOf, ValueView } from './value';
import { VariableChange } from './variable-change';

interface CallDetailsProps {
  row: CallRow;
  environment: string;
  conversation: string;
}

export function CallDetails({ row, environment, conversation }: CallDetailsProps) {
  const of = (type: string) => row.events.filter((event) => event.type === type);
  const called = of('tool_called')[0];
  const phases = useMemo(() => phasesOf(row.events), [row]);
  const calledArguments = useMemo(() => (called ? memberOf(dataOf(called), 'arguments') : undefined), [called]);
  return (
    <>
      <div class="call-tools">
        <span class="hint">
          Call <bdi class="mono">{visible(row.toolCallId)}</bdi>
        </span>
        <CopyButton text={row.toolCallId} what="the id of the call" />
        {calledArguments && (
          <OpenInTry environment={environment} action={row.name} conversation={conversation} calledArguments={calledArguments} />
        )}
      </div>
      {of('replay').map((event) => (
        <Replay key={event.id} event={event} />
      ))}
      {of('error').map((event) => (
        <Failed key={event.id} event={event} />
      ))}
      {calledArguments && (
        <Part title="Arguments" copy={calledArguments}>
          <ValueView node={calledArguments} label="Arguments" />
          <Decoded event={called} />
        </Part>
      )}
      {of('request_sent').map((event) => (
        <Request key={event.id} event={event} />
      ))}
      {of('retry').length > 0 && (
        <Part title="Retries">
          <ul class="plain">
            {of('retry').map((event) => (
              <li key={event.id} data-testid="retry">
                Attempt {asNumber(event.data['attempt']) ?? '?'} after {msText(asNumber(event.data['wait_ms']) ?? 0)}:{' '}
                {visible(asText(event.data['cause']) ?? '')}
              </li>
            ))}
          </ul>
        </Part>
      )}
      {of('response_received').map((event) => (
        <Response key={event.id} event={event} />
      ))}
      {of('variable_set').length > 0 && (
        <Part title="Variables">
          <ul class="plain">
            {of('variable_set').map((event) => (
              <li key={event.id} data-testid="call-variable">
                <VariableChange event={event} />
              </li>
            ))}
          </ul>
        </Part>
      )}
      {phases.length > 0 && (
        <Part title="Phases">
          <Waterfall phases={phases} total_ms={row.durationMs ?? 0} />
        </Part>
      )}
    </>
  );
}

interface PartProps {
  title: string;
  about?: ComponentChildren;
  copy?: Node | undefined;
  children?: ComponentChildren;
}

function Part({ title, about, copy, children }: PartProps) {
  return (
    <section class="call-part" data-testid={`call-${title.toLowerCase()}`}>
      <div class="call-part-head">
        <h3>{title}</h3>
        {about}
        {copy && <CopyButton text={() => pretty(copy)} what={title.toLowerCase()} />}
      </div>
      {children}
    </section>
  );
}

function Replay({ event }: { event: FeedEvent }) {
  return (
    <p class="call-said" data-testid="call-replay">
      Nothing was sent: the result is that of call <bdi class="mono">{visible(asText(event.data['first_tool_call_id']) ?? '?')}</bdi>.
    </p>
  );
}

function Failed({ event }: { event: FeedEvent }) {
  const { data } = event;
  return (
    <div class="call-said call-failed" data-testid="call-error">
      <p>{visible(asText(data['message']) ?? '')}</p>
      <p class="hint">
        <code>{visible(asText(data['code']) ?? '')}</code> · effect: {visible(asText(data['effect']) ?? '?')} · retry:{' '}
        {visible(asText(data['retry']) ?? '?')}
      </p>
    </div>
  );
}

function Decoded({ event }: { event: FeedEvent | undefined }) {
  const places = event?.data['decoded'];
  if (!Array.isArray(places) || places.length === 0) return null;
  const texts = places.filter((place): place is string => typeof place === 'string');
  return <p class="hint">These came as texts and were read: {visible(texts.join(', '))}</p>;
}

function Request({ event }: { event: FeedEvent }) {
  const data = useMemo(() => dataOf(event), [event]);
  const body = memberOf(data, 'body');
  const hasBody = body !== undefined && body.kind !== 'null';
  return (
    <Part title="Request">
      <p class="wire-line">
        <strong>{visible(asText(event.data['method']) ?? '')}</strong> <bdi>{visible(asText(event.data['url']) ?? '')}</bdi>
      </p>
      <Headers node={memberOf(data, 'headers')} />
      {hasBody && <BodyView node={body} label="request body" />}
    </Part>
  );
}

function Response({ event }: { event: FeedEvent }) {
  const data = useMemo(() => dataOf(event), [event]);
  const body = memberOf(data, 'body');
  const status = asNumber(event.data['status_code']);
  const duration = asNumber(event.data['duration_ms']);
  const about = (
    <span class="hint">
      {[status === null ? null : `status ${status}`, duration === null ? null : msText(duration)].filter(Boolean).join(' · ')}
    </span>
  );
  return (
    <Part title="Response" about={about}>
      <Headers node={memberOf(data, 'headers')} />
      {body && <BodyView node={body} label="response body" />}
    </Part>
  );
}

function Headers({ node }: { node: Node | undefined }) {
  if (node?.kind !== 'object' || node.members.length === 0) return null;
  return (
    <dl class="wire-headers">
      {node.members.map(({ name, value }, place) => (
        <div key={place}>
          <dt>{visible(name)}</dt>
          <dd>
            <bdi>{visible(value.kind === 'string' ? value.value : pretty(value))}</bdi>
          </dd>
        </div>
      ))}
    </dl>
  );
}
