// Sections of a result: what was heard, what was written, where the time went.
import type { Inspection } from '../../api';
import { LongText } from '../../components/long-text';
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
                  {isTrue(item, 'unset') ? <em>cleared: this answer has no value for it</em> : value ? <LongText text={print(value)} /> : ''}
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

/** What makes no sense of an action that answers by itself. */
const NOT_LOCAL = new Set(['render', 'extract']);

export function Times({ inspection, local }: { inspection: Inspection; local: boolean }) {
  const { attempts, phases, total_ms } = inspection;
  const shown = local ? phases.filter(({ phase }) => !NOT_LOCAL.has(phase)) : phases;
  return (
    <section class="run-section" aria-label="Where the time went">
      <h3>
        Where the time went{' '}
        <span class="hint">
          {msText(total_ms)}
          {!local && attempts > 0 && `, ${attempts === 1 ? '1 attempt' : `${attempts} attempts`}`}
        </span>
      </h3>
      <Waterfall phases={shown} total_ms={total_ms} />
    </section>
  );
}
