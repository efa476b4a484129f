// Where the time of a call went: a bar for each phase, and the same as a table of numbers.
import { msText, visible } from '../text';
import type { Phase } from '../types';

const NAMES: Record<string, string> = {
  open: 'open the conversation',
  validate: 'check the arguments',
  claim: 'claim the call',
  render: 'build the request',
  token: 'get a token',
  queue: 'wait in the queue',
  dns: 'look up the name',
  connect: 'connect',
  tls: 'TLS handshake',
  first_byte: 'wait for the answer',
  body: 'read the answer',
  wait: 'wait before a retry',
  extract: 'read the variables',
  store: 'save',
};

const GROUPS: Record<string, string> = {
  token: 'net',
  dns: 'net',
  connect: 'net',
  tls: 'net',
  first_byte: 'upstream',
  body: 'upstream',
  wait: 'idle',
  queue: 'idle',
};

/** Each attempt has its own headers and token, which are put in before it is sent. */
function nameOf({ phase, attempt }: Phase): string {
  if (phase === 'render' && attempt !== null) return `prepare attempt ${attempt}`;
  return NAMES[phase] ?? visible(phase);
}

export function Waterfall({ phases, total_ms: total }: { phases: Phase[]; total_ms: number }) {
  if (phases.length === 0) return <p class="hint">There are no times of this call.</p>;
  const whole = Math.max(total, ...phases.map((phase) => phase.start_ms + phase.ms), 0.001);
  const attempts = phases.some((phase) => (phase.attempt ?? 1) > 1);
  return (
    <table class="waterfall" data-testid="waterfall">
      <caption class="visually-hidden">The phases of the call, {msText(whole)} in all</caption>
      <colgroup>
        <col class="waterfall-names" />
        <col />
        <col class="waterfall-numbers" />
      </colgroup>
      <thead class="visually-hidden">
        <tr>
          <th scope="col">Phase</th>
          <th scope="col">Begins after</th>
          <th scope="col">Takes</th>
        </tr>
      </thead>
      <tbody>
        {phases.map((phase, index) => {
          const left = (phase.start_ms / whole) * 100;
          const width = Math.max((phase.ms / whole) * 100, 0.4);
          return (
            <tr key={index}>
              <th scope="row">
                {nameOf(phase)}
                {attempts && phase.attempt !== null && phase.phase !== 'render' && (
                  <span class="hint" title={`attempt ${phase.attempt}`}>
                    {' '}
                    <span class="visually-hidden">attempt</span> #{phase.attempt}
                  </span>
                )}
              </th>
              <td class="waterfall-track">
                <span class="visually-hidden">{msText(phase.start_ms)}</span>
                <span
                  aria-hidden="true"
                  class={`waterfall-bar waterfall-${GROUPS[phase.phase] ?? 'own'}`}
                  style={{
                    marginLeft: `${Math.min(left, 99.6)}%`,
                    width: `${Math.min(width, 100 - Math.min(left, 99.6))}%`,
                  }}
                />
              </td>
              <td class="number">{msText(phase.ms)}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
