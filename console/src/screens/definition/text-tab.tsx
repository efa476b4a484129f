// The text of a definition, with its problems and references beside it.
import { useMemo, useState } from 'preact/hooks';
import { CodeEditor, type EditorPlace, languageOf } from '../../components/editor';
import type { FileStore } from './file-store';
import { ProblemsView, countsText } from './problems';
import { ReferenceList } from './reference-list';
import { useCheck } from './use-check';
import { type Defined, useValues } from './use-values';

interface TextTabProps {
  store: FileStore;
  file: string;
  defined: Defined;
  edit: boolean;
  /** The place that the address names. */
  place: EditorPlace | null;
  onSave: () => void;
}

export function TextTab({ store, file, defined, edit, place, onSave }: TextTabProps) {
  const values = useValues(defined, store.text.value);
  const failed = useCheck(store, file);
  const [chosen, setChosen] = useState<EditorPlace | null>(null);
  const problems = store.problems.value;
  const mine = useMemo(() => problems?.filter((problem) => problem.file === file) ?? [], [problems, file]);
  const go = (line: number, column: number): void =>
    setChosen({ line, column, turn: Math.max(chosen?.turn ?? 0, place?.turn ?? 0) + 1, focus: true });
  // The later one of the two counts.
  const shown = chosen !== null && chosen.turn > (place?.turn ?? 0) ? chosen : place;
  return (
    <div class="definition-text">
      <div class="stack">
        <CodeEditor
          text={store.text.value}
          revision={store.revision.value}
          label={`${edit ? 'Edit' : 'Text of'} ${file}`}
          language={languageOf(file)}
          readOnly={!edit}
          problems={mine}
          place={shown}
          noteOf={values.noteOf}
          onChange={(text) => store.type(text)}
          onSave={onSave}
        />
        {edit && <p class="hint">Tab leaves the editor. Ctrl+S saves, Ctrl+F finds, F8 goes to the next problem.</p>}
      </div>
      <div class="stack">
        <section class="panel" aria-label="Problems of the project">
          <div class="panel-head">
            <h2>Problems</h2>
            <span class="hint" role="status" data-testid="problem-count">
              {problems !== null && countsText(problems)}
            </span>
          </div>
          <div class="panel-body definition-problems-box">
            {failed !== null && <p class="hint">They are not known: {failed}</p>}
            {failed === null && problems === null && <p class="hint">Looking…</p>}
            {problems !== null && <ProblemsView problems={problems} file={file} onGo={go} />}
          </div>
        </section>
        <ReferenceList text={store.text.value} values={values} onGo={go} />
      </div>
    </div>
  );
}
