// How often the actions of an environment were called, how often they failed, and how long they took.
import type { EnvironmentStatus } from '../../api';
import { href } from '../../route';
import { msText, visible } from '../../text';
import { bars, quantile, type Bar, type Estimate } from './latency';

type ActionStatus = EnvironmentStatus['actions'][number];

export function ActionsTable({ actions, environment }: { actions: readonly ActionStatus[]; environment: string }) {
  return (
    <table class="actions-table">
      <thead>
        <tr>
          <th scope="col">Action</th>
          <th scope="col" class="number">
            Calls
          </th>
          <th scope="col" class="number">
            Failed
          </th>
          <th scope="col" class="number">
            Error rate
          </th>
          <th scope="col" class="number">
            p50 (estimate)
          </th>
          <th scope="col" class="number">
            p95 (estimate)
          </th>
          <th scope="col">Durations</th>
        </tr>
      </thead>
      <tbody>
        {actions.map((action) => (
          <ActionRow key={action.name} action={action} environment={environment} />
        ))}
      </tbody>
    </table>
  );
}

function ActionRow({ action, environment }: { action: ActionStatus; environment: string }) {
  const calls = action.calls ?? 0;
  const failed = action.failed ?? 0;
  const latency = action.latency ?? [];
  return (
    <tr data-testid={`health-action-${action.name}`}>
      <th scope="row">
        <a class="mono" href={href('try', [environment, action.name])}>
          {visible(action.name)}
        </a>
      </th>
      <td class="number" data-label="Calls">
        {calls}
      </td>
      <td class="number" data-label="Failed">
        {failed}
      </td>
      <td class="number" data-label="Error rate">
        {calls > 0 ? rateText(failed / calls) : '–'}
      </td>
      <td class="number" data-label="p50">
        {estimateText(quantile(latency, 0.5))}
      </td>
      <td class="number" data-label="p95">
        {estimateText(quantile(latency, 0.95))}
      </td>
      <td class="histogram-cell" data-label="Durations">
        <Histogram bars={bars(latency)} />
      </td>
    </tr>
  );
}

const barWidth = 8;
const height = 24;

function Histogram({ bars: list }: { bars: readonly Bar[] }) {
  const most = Math.max(0, ...list.map((bar) => bar.calls));
  if (most === 0) return <span>–</span>;
  const used = list.filter((bar) => bar.calls > 0);
  const words = used.map((bar) => `${rangeText(bar)}: ${bar.calls}`).join('; ');
  return (
    <svg
      class="histogram"
      role="img"
      aria-label={`Calls by duration. ${words}`}
      width={list.length * barWidth}
      height={height}
      viewBox={`0 0 ${list.length * barWidth} ${height}`}
    >
      <title>{words}</title>
      {list.map((bar, place) => {
        const size = bar.calls === 0 ? 1 : Math.max(2, (bar.calls / most) * height);
        return <rect key={place} x={place * barWidth} y={height - size} width={barWidth - 2} height={size} />;
      })}
    </svg>
  );
}

function rangeText(bar: Bar): string {
  return bar.upto_ms === null ? `over ${msText(bar.over_ms)}` : `up to ${msText(bar.upto_ms)}`;
}

function estimateText(estimate: Estimate | null): string {
  if (!estimate) return '–';
  return `${estimate.atLeast ? '≥ ' : ''}${msText(estimate.ms)}`;
}

function rateText(rate: number): string {
  const percent = rate * 100;
  return `${percent === 0 || percent >= 10 ? Math.round(percent) : percent.toFixed(1)} %`;
}
