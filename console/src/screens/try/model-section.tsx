// What the model gets of a call: the answer, the error, the handover, the variables.
import { useMemo } from 'preact/hooks';
import type { CallError, CallResult, UpstreamResponse } from '../../api';
import { LongText } from '../../components/long-text';
import { JsonTree, type KnownOutput, type Pick } from '../../components/tree';
import { memberOf, type Node, print } from '../../json/index';
import { visible } from '../../text';
import { useUpstreamPlace } from './model-value';
import { contentTypeOf } from './upstream';

/** The text of a member as it came, with every digit; of a text its content. */
function memberText(root: Node, text: string, name: string): string | null {
  const node = memberOf(root, name);
  if (!node || node.kind === 'null') return null;
  return node.kind === 'string' ? node.value : text.slice(node.start, node.end);
}

interface ModelProps {
  result: CallResult;
  root: Node;
  text: string;
  dropped: boolean;
  /** The answer of the upstream, where it is told. */
  response: UpstreamResponse | null;
  outputs: KnownOutput[];
  onPick: (pick: Pick) => void;
}

export function ModelSection({ result, root, text, dropped, response, outputs, onPick }: ModelProps) {
  const body = useMemo(() => memberText(root, text, 'body'), [root, text]);
  const handover = memberText(root, text, 'handover');
  const place = useUpstreamPlace(response);
  return (
    <section class="run-section" aria-label="What the model gets" data-testid="model-gets">
      <h3>What the model gets</h3>
      {result.error && <Failure status={result.status} error={result.error} />}
      {response?.cut && (
        <p class="notice notice-warn" data-testid="model-cut">
          Shortened for the model: it gets less than the upstream sent.
        </p>
      )}
      {body !== null && (
        <JsonTree
          text={body}
          label="What the model gets"
          fileName={`${result.name}.json`}
          contentType={response ? contentTypeOf(response) : undefined}
          outputs={place ? outputs : undefined}
          placeOf={place}
          onPick={place ? onPick : undefined}
        />
      )}
      {body === null && !dropped && !result.error && handover === null && <p class="hint">No body.</p>}
      {handover !== null && (
        <>
          <h4>Handover</h4>
          <JsonTree text={handover} label="Handover" fileName="handover.json" />
        </>
      )}
      <Variables root={root} />
      <Headers headers={Object.entries(result.headers ?? {})} />
    </section>
  );
}

function Failure({ status, error }: { status: string; error: CallError }) {
  return (
    <dl class="pairs" data-testid="model-error">
      <dt>status</dt>
      <dd class="mono">{visible(status)}</dd>
      <dt>error.code</dt>
      <dd class="mono isolate">{visible(error.code)}</dd>
      <dt>error.message</dt>
      <dd class="isolate">
        <LongText text={error.message} />
      </dd>
    </dl>
  );
}

function Variables({ root }: { root: Node }) {
  const variables = memberOf(root, 'variables');
  if (variables?.kind !== 'object' || variables.members.length === 0) return null;
  return (
    <dl class="pairs" data-testid="model-variables">
      {variables.members.map(({ name, value }) => (
        <>
          <dt class="mono isolate">{visible(name)}</dt>
          <dd class="mono isolate">
            <LongText text={print(value)} />
          </dd>
        </>
      ))}
    </dl>
  );
}

function Headers({ headers }: { headers: [string, string][] }) {
  if (headers.length === 0) return null;
  return (
    <dl class="pairs">
      {headers.map(([name, value]) => (
        <>
          <dt class="mono isolate">{visible(name)}</dt>
          <dd class="mono isolate">
            <LongText text={value} />
          </dd>
        </>
      ))}
    </dl>
  );
}
