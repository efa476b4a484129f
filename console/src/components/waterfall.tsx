// Where the time of a call went: a bar for each phase, and the same as a table of numbers.
import { msText, visible } from '../text';
import type { Phase } from '../types';

const NAMES: Record<string, string> = {
  open: 'open the conversation',
  validate: 'check the arguments',
  claim: 'claim the call',
  render: 'make the request',
  token: 'fetch a token',
  queue: 'wait for a free place',
  dns: 'look up the name',
  connect: 'connect',
  tls: 'TLS',
  first_byte: 'wait for the answer',
  body: 'read the answer',
  wait: 'wait before the next attempt',
  extract: 'take the variables',
  store: 'store',
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
                {NAMES[phase.phase] ?? visible(phase.phase)}
                {attempts && phase.attempt !== null && (
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
