// What each model provider is offered of an action, and what is lost on the way.
import { useState } from 'preact/hooks';
import type { Spec } from '../../api';
import { CopyButton } from '../../components/copy';
import { JsonTree } from '../../components/tree';
import { segment, send } from '../../http';
import { memberOf, parse, pretty } from '../../json';
import { bytesText, visible } from '../../text';
import { useAsked } from './use-asked';

/** What becomes of the parts of a definition. */
const FATES = {
  Kept: 'written as it is',
  Lowered: 'moved into another form, mostly the description',
  Lost: 'the model does not see it; the gateway still checks it',
};

interface ShownSpec extends Omit<Spec, 'limits'> {
  limits: readonly { what: string; found: number; limit: number | null }[];
  /** The spec as the gateway wrote it, with every digit. */
  text: string;
}

async function specsOf(action: string, environment: string, signal: AbortSignal): Promise<ShownSpec[]> {
  const response = await send(`v1/actions/${segment(action)}/specs`, { query: { environment }, signal });
  const text = await response.text();
  const { specs } = JSON.parse(text) as { specs: Spec[] };
  const list = memberOf(parse(text), 'specs');
  return specs.map((spec, at) => {
    const item = list?.kind === 'array' ? list.items[at] : undefined;
    const written = item === undefined ? undefined : memberOf(item, 'spec');
    return { ...spec, text: written === undefined ? JSON.stringify(spec.spec, null, 2) : pretty(written) };
  });
}

function nameOf({ format, strict }: ShownSpec): string {
  return strict ? `${format}, strict` : format;
}

function over({ limits }: ShownSpec): boolean {
  return limits.some(({ found, limit }) => limit !== null && found > limit);
}

interface SpecsProps {
  action: string;
  environment: string;
  version: string;
}

export function SpecsView({ action, environment, version }: SpecsProps) {
  const asked = useAsked((abort) => specsOf(action, environment, abort), `${action} ${environment} ${version}`);
  const [chosen, setChosen] = useState('');
  if (asked.state === 'asking') return <p class="hint">Loading…</p>;
  if (asked.state === 'failed') return <p class="notice notice-error">{visible(asked.why)}</p>;
  const specs = asked.value;
  const shown = specs.find((spec) => nameOf(spec) === chosen) ?? specs[0];
  if (shown === undefined) return <p class="empty">The gateway tells no specs of this action.</p>;
  return (
    <div class="stack" data-testid="specs">
      <div class="scroll-x" role="region" aria-label="Formats" tabIndex={0}>
        <table class="table specs-table">
          <thead>
            <tr>
              <th scope="col">Format</th>
              <th scope="col" class="number">
                Size
              </th>
              <th scope="col" class="number">
                Tokens, about
              </th>
              <th scope="col" class="number" title={FATES.Kept}>
                Kept
              </th>
              <th scope="col" class="number" title={FATES.Lowered}>
                Lowered
              </th>
              <th scope="col" class="number" title={FATES.Lost}>
                Lost
              </th>
              <th scope="col">Limits</th>
            </tr>
          </thead>
          <tbody>
            {specs.map((spec) => (
              <tr key={nameOf(spec)} class={spec === shown ? 'specs-shown' : undefined}>
                <th scope="row">
                  <button
                    type="button"
                    class="button-link"
                    aria-pressed={spec === shown}
                    data-testid={`spec-${spec.format}${spec.strict ? '-strict' : ''}`}
                    onClick={() => setChosen(nameOf(spec))}
                  >
                    {visible(nameOf(spec))}
                  </button>
                </th>
                <td class="number">{bytesText(spec.bytes)}</td>
                <td class="number">{spec.tokens}</td>
                <td class="number">{spec.kept}</td>
                <td class="number">{spec.lowered}</td>
                <td class="number">{spec.lost}</td>
                <td>{over(spec) ? <span class="badge badge-error">over a limit</span> : 'within'}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <dl class="specs-fates hint" data-testid="specs-fates">
        {Object.entries(FATES).map(([fate, meaning]) => (
          <div key={fate}>
            <dt>{fate}:</dt> <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <SpecDetail spec={shown} action={action} />
    </div>
  );
}

function SpecDetail({ spec, action }: { spec: ShownSpec; action: string }) {
  const { notes, limits, text } = spec;
  const name = nameOf(spec);
  return (
    <section class="stack" aria-label={name}>
      <div class="row">
        <h2 class="grow">{visible(name)}</h2>
        <CopyButton text={text} label="Copy the spec" testid="copy-spec" />
      </div>
      {notes.length > 0 && (
        <div class="scroll-x" role="region" aria-label="What is not kept" tabIndex={0}>
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Place</th>
                <th scope="col">Outcome</th>
                <th scope="col">Note</th>
              </tr>
            </thead>
            <tbody>
              {notes.map((note, at) => (
                <NoteRow key={at} note={note} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {limits.length > 0 && (
        <ul class="specs-limits">
          {limits.map(({ what, found, limit }, at) => (
            <li key={at} class={limit !== null && found > limit ? 'error-text' : 'hint'}>
              {visible(what)}: {found}
              {limit !== null && ` of ${limit}`}
              {limit !== null && found > limit && ', too many'}
            </li>
          ))}
        </ul>
      )}
      <JsonTree text={text} label={`Spec for ${name}`} fileName={`${action}.${spec.format}.json`} />
    </section>
  );
}

function NoteRow({ note: { pointer, fate, how } }: { note: Spec['notes'][number] }) {
  return (
    <tr>
      <td class="mono isolate">{visible(pointer)}</td>
      <td>
        <span class={fate === 'lost' ? 'badge badge-error' : 'badge badge-warn'}>{visible(fate)}</span>
      </td>
      <td class="isolate">{visible(how)}</td>
    </tr>
  );
}
