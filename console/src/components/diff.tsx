// The difference between two texts, line by line.
import { useMemo, useState } from 'preact/hooks';
import { cut } from '../json';
import { type DiffGap, type DiffLine, compareLines, fold } from './diff-lines';
import { Visible } from './text-view';

interface TextDiffProps {
  before: string;
  after: string;
  label: string;
  beforeName: string;
  afterName: string;
}

const LONG_LINE = 2_000;
const FIRST_LINES = 500;
const SIGN = { same: ' ', added: '+', removed: '−' } as const;

function Line({ line, names }: { line: DiffLine; names: { added: string; removed: string } }) {
  return (
    <tr class={`diff-${line.kind}`}>
      <td class="diff-number">{line.before}</td>
      <td class="diff-number">{line.after}</td>
      <td class="diff-sign">
        <span aria-hidden="true">{SIGN[line.kind]}</span>
        {line.kind !== 'same' && <span class="visually-hidden">Only {names[line.kind]}: </span>}
      </td>
      <td class="diff-text">
        <Visible text={cut(line.text, LONG_LINE)} />
        {line.text.length > LONG_LINE && <span class="hint">… ({line.text.length} characters)</span>}
      </td>
    </tr>
  );
}

export function TextDiff({ before, after, label, beforeName, afterName }: TextDiffProps) {
  const lines = useMemo(() => compareLines(before, after), [before, after]);
  const rows = useMemo(() => fold(lines), [lines]);
  const [opened, setOpened] = useState<ReadonlySet<DiffGap>>(new Set());
  const [most, setMost] = useState(FIRST_LINES);
  const added = lines.filter(({ kind }) => kind === 'added').length;
  const removed = lines.filter(({ kind }) => kind === 'removed').length;
  if (added === 0 && removed === 0) {
    return (
      <p class="hint" data-testid="diff-same">
        {before === after ? 'Both are the same.' : 'Only line ends differ.'}
      </p>
    );
  }
  return (
    <div class="diff" data-testid="diff">
      <p class="hint">
        <span class="diff-legend diff-removed">
          − {removed} only {beforeName}
        </span>{' '}
        <span class="diff-legend diff-added">
          + {added} only {afterName}
        </span>
      </p>
      <div class="diff-box" role="region" tabIndex={0} aria-label={label}>
        <table class="diff-table">
          <caption class="visually-hidden">{label}</caption>
          <thead class="visually-hidden">
            <tr>
              <th scope="col">Line {beforeName}</th>
              <th scope="col">Line {afterName}</th>
              <th scope="col">Change</th>
              <th scope="col">Text</th>
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, most).map((row, at) => {
              const names = { removed: beforeName, added: afterName };
              if (row.kind !== 'gap') return <Line key={at} line={row} names={names} />;
              if (opened.has(row))
                return row.lines.map((line) => <Line key={`${at}-${line.before}`} line={line} names={names} />);
              return (
                <tr key={at} class="diff-gap">
                  <td colSpan={4}>
                    <button type="button" class="button-link" onClick={() => setOpened(new Set([...opened, row]))}>
                      Show {row.lines.length} lines that are the same
                    </button>
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      {rows.length > most && (
        <button type="button" class="button button-small" onClick={() => setMost(most + FIRST_LINES)}>
          Show more
        </button>
      )}
    </div>
  );
}
