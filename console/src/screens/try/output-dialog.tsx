// Makes an output variable of a value in an answer: shows the lines of the definition, and puts them in where that is allowed.
import { useEffect, useState } from 'preact/hooks';
import { api, ApiError, errorText, type Problem } from '../../api';
import { CopyButton } from '../../components/copy';
import { Dialog } from '../../components/dialog';
import type { KnownOutput, Pick } from '../../components/tree';
import { VARIABLE_NAME } from '../../json/index';
import { loadActions, loadStatus } from '../../load';
import { definitionHref } from '../../route';
import { actions, canEdit } from '../../state';
import { visible } from '../../text';
import { insertOutput, type NewOutput, outputLines } from '../definition/insert';
import { conflictOf, Exposure } from './exposure';
import type { Run } from './runs';

interface OutputDialogProps {
  pick: Pick;
  run: Run;
  /** The variables that the action takes of its answers already. */
  outputs: readonly KnownOutput[];
  /** Whether the model sees the value today. */
  seen: boolean;
  /** Whether the gateway hides it today. */
  hidden: boolean;
  onClose: () => void;
}

interface Answer {
  kind: 'ok' | 'error';
  text: string;
  problems: Problem[];
  place: { file: string; line: number } | null;
}

function refusal(error: unknown): Answer {
  const problems = error instanceof ApiError && Array.isArray(error.problem.problems) ? error.problem.problems : [];
  const changed = error instanceof ApiError && error.status === 412;
  return {
    kind: 'error',
    text: changed
      ? 'Somebody has changed the file meanwhile. Nothing is written. Insert again to use the new text.'
      : errorText(error),
    problems: problems as unknown as Problem[],
    place: null,
  };
}

async function insert(run: Run, output: NewOutput): Promise<Answer> {
  try {
    const { file } = await api.actionDefinition(run.call.name, run.call.environment);
    const { text, version } = await api.definition(file);
    const inserted = insertOutput(text, output);
    const saved = await api.saveDefinition(file, inserted.text, version);
    void loadActions();
    void loadStatus();
    return {
      kind: 'ok',
      text: 'Added. It applies from the next call.',
      problems: saved.problems.filter((problem) => problem.file === file),
      place: { file, line: inserted.line },
    };
  } catch (error) {
    return refusal(error);
  }
}

export function OutputDialog({ pick, run, outputs, seen, hidden, onClose }: OutputDialogProps) {
  const [name, setName] = useState(pick.name);
  const [everyItem, setEveryItem] = useState(false);
  const [expose, setExpose] = useState(seen);
  const [sensitive, setSensitive] = useState(false);
  const [busy, setBusy] = useState(false);
  const [answer, setAnswer] = useState<Answer | null>(null);
  useEffect(() => setName(pick.name), [pick]);

  const path = everyItem && pick.listPath !== null ? pick.listPath : pick.path;
  const output: NewOutput = { name, path, expose, sensitive };
  const valid = VARIABLE_NAME.test(name);
  const lines = outputLines(output);
  const conflict = conflictOf(output, outputs, exposedOf(run.call.name), hidden);
  const put = async () => {
    setBusy(true);
    setAnswer(await insert(run, output));
    setBusy(false);
  };

  return (
    <Dialog
      title="Make an output variable"
      onClose={onClose}
      testid="output-dialog"
      actions={
        <>
          <CopyButton text={lines} label="Copy the lines" testid="output-copy" />
          {canEdit.value && (
            <button
              type="button"
              class="button button-primary"
              disabled={!valid || busy || answer?.kind === 'ok'}
              onClick={() => void put()}
              data-testid="output-insert"
            >
              Insert into the definition
            </button>
          )}
        </>
      }
    >
      <div class="stack">
        <p class="hint">Later calls of the same conversation read it.</p>
        <label class="label" for="output-name">
          Name
        </label>
        <input
          id="output-name"
          class="input mono"
          value={name}
          spellcheck={false}
          aria-invalid={!valid}
          onInput={(event) => setName(event.currentTarget.value)}
          data-testid="output-name"
        />
        {!valid && <p class="error-text">A name is words of letters, digits and “_”, with dots between them.</p>}
        <p>
          <span class="hint">Path</span> <code class="isolate">{visible(path)}</code>
        </p>
        {pick.listPath !== null && (
          <Check
            label="Take it from every item of the list"
            value={everyItem}
            onChange={setEveryItem}
            testid="output-every"
          />
        )}
        <Exposure seen={seen} expose={expose} onChange={setExpose} />
        {conflict && (
          <p class="notice notice-warn isolate" data-testid="output-conflict">
            {visible(conflict)}
          </p>
        )}
        <Check
          label="It is sensitive: mask it everywhere"
          value={sensitive}
          onChange={setSensitive}
          testid="output-sensitive"
        />
        <pre class="code" data-testid="output-lines">
          {visible(lines)}
        </pre>
        {!canEdit.value && (
          <p class="hint">
            This gateway does not change definitions. Copy the lines to `output_variables` of the action.
          </p>
        )}
        <div aria-live="polite">{answer && <AnswerView answer={answer} />}</div>
      </div>
    </Dialog>
  );
}

/** The names of the variables that the model sees on purpose. */
function exposedOf(name: string): Set<string> {
  const action = actions.peek()?.find((one) => one.name === name);
  return new Set(action?.output_variables.filter(({ exposed }) => exposed).map((output) => output.name));
}

function AnswerView({ answer }: { answer: Answer }) {
  return (
    <div class={`notice notice-${answer.kind} stack`} data-testid="output-answer">
      <p class="isolate">
        {visible(answer.text)}{' '}
        {answer.place && (
          <a href={definitionHref(answer.place.file, answer.place.line)}>Show line {answer.place.line}</a>
        )}
      </p>
      {answer.problems.length > 0 && (
        <ul>
          {answer.problems.map((problem, index) => (
            <li key={index} class="isolate">
              {problem.severity}, line {problem.line}: {visible(problem.message)}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

interface CheckProps {
  label: string;
  value: boolean;
  onChange: (value: boolean) => void;
  testid: string;
}

function Check({ label, value, onChange, testid }: CheckProps) {
  return (
    <label class="row">
      <input
        type="checkbox"
        checked={value}
        onChange={(event) => onChange(event.currentTarget.checked)}
        data-testid={testid}
      />
      {label}
    </label>
  );
}
