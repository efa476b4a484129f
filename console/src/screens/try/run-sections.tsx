// The sections of a result: what was heard, what the model gets, what was written, where the time went.
import { useMemo } from 'preact/hooks';
import type { CallResult, Inspection } from '../../api';
import { LongText } from '../../components/long-text';
import { JsonTree } from '../../components/tree';
import { Waterfall } from '../../components/waterfall';
import { memberOf, type Node, print, tryParse } from '../../json/index';
import { msText, visible } from '../../text';
import type { Run } from './runs';

const SAID_WHEN = { started: 'at the start', delayed: 'as it took long', failed: 'as it failed' };

export function Heard({ run, running }: { run: Run; running: boolean }) {
  return (
    <section class="run-section" aria-label="What the caller hears">
      <h3>What the caller hears</h3>
      {run.said.length === 0 ? (
        <p class="hint">{running ? 'Nothing yet.' : 'Nothing: the action has no text for this call.'}</p>
      ) : (
        <ol class="said" data-testid="heard">
          {run.said.map((said, index) => (
            <li key={index}>
              <span class="hint number">{msText(said.ms)}</span>
              <span>
                <q class="isolate">{visible(said.text)}</q> <span class="hint">{SAID_WHEN[said.kind]}</span>
              </span>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

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
}

export function ModelSection({ result, root, text, dropped }: ModelProps) {
  const body = useMemo(() => memberText(root, text, 'body'), [root, text]);
  const variables = memberOf(root, 'variables');
  const handover = memberText(root, text, 'handover');
  const headers = Object.entries(result.headers ?? {});
  return (
    <section class="run-section" aria-label="What the model gets" data-testid="model-gets">
      <h3>What the model gets</h3>
      {body === null ? (
        !dropped && <p class="hint">No body.</p>
      ) : (
        <JsonTree text={body} label="What the model gets" fileName={`${result.name}.json`} />
      )}
      {handover !== null && <JsonTree text={handover} label="The handover" fileName="handover.json" />}
      {variables?.kind === 'object' && variables.members.length > 0 && (
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
      )}
      {headers.length > 0 && (
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
      )}
    </section>
  );
}

/** The variables that the call wrote, read so that long numbers keep their digits. */
export function Written({ run }: { run: Run }) {
  const root = run.inspection === null ? null : tryParse(run.inspection);
  const list = root ? memberOf(root, 'variables') : undefined;
  const items = list?.kind === 'array' ? list.items : [];
  if (items.length === 0) return null;
  const isTrue = (item: Node, name: string) => memberOf(item, name)?.kind === 'true';
  return (
    <section class="run-section" aria-label="Variables written">
      <h3>Variables written</h3>
      <table class="table" data-testid="written">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Value</th>
            <th scope="col">For the model</th>
          </tr>
        </thead>
        <tbody>
          {items.map((item, index) => {
            const name = memberOf(item, 'name');
            const value = memberOf(item, 'value');
            const marks = ['exposed', 'hidden', 'sensitive'].filter((mark) => isTrue(item, mark));
            return (
              <tr key={index}>
                <td class="mono isolate">{name?.kind === 'string' ? visible(name.value) : ''}</td>
                <td class="mono isolate">
                  {isTrue(item, 'unset') ? <em>taken away</em> : value ? <LongText text={print(value)} /> : ''}
                </td>
                <td>{marks.join(', ')}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}

export function Times({ inspection }: { inspection: Inspection }) {
  return (
    <section class="run-section" aria-label="Where the time went">
      <h3>
        Where the time went{' '}
        <span class="hint">
          {msText(inspection.total_ms)}, {inspection.attempts === 1 ? '1 attempt' : `${inspection.attempts} attempts`}
        </span>
      </h3>
      <Waterfall phases={inspection.phases} total_ms={inspection.total_ms} />
    </section>
  );
}
