// The code editor. What it is made of is large, so it is loaded when the first one is shown.
import { useEffect, useRef, useState } from 'preact/hooks';
import { errorText } from '../http';
import type { EditorHandle } from './editor-view';
import { TextView } from './text-view';

export type Language = 'yaml' | 'json' | 'plain';

export interface EditorProblem {
  /** From 1; 0 is the whole file, which has no mark. */
  line: number;
  column: number;
  severity: 'error' | 'warning';
  message: string;
}

/** What is told of a reference of a template. */
export interface ReferenceNote {
  title: string;
  text: string;
}

/** A place to go to; another `turn` goes there again. */
export interface EditorPlace {
  line: number;
  column?: number;
  turn: number;
  focus?: boolean;
}

export interface CodeEditorProps {
  /** With line feeds alone between its lines. The editor takes it when it opens and when `revision` changes: what is
   * typed comes by `onChange`, and may be newer than what its owner knows. */
  text: string;
  revision?: number;
  label: string;
  language: Language;
  readOnly?: boolean;
  problems?: readonly EditorProblem[];
  place?: EditorPlace | null;
  /** What to tell of a reference such as `.parameters.email` that the pointer rests on. */
  noteOf?: (reference: string) => ReferenceNote | null;
  onChange?: (text: string) => void;
  onSave?: () => void;
}

export function languageOf(file: string): Language {
  if (/\.ya?ml$/i.test(file)) return 'yaml';
  return /\.json$/i.test(file) ? 'json' : 'plain';
}

export function CodeEditor(props: CodeEditorProps) {
  const host = useRef<HTMLDivElement>(null);
  const handle = useRef<EditorHandle | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const [state, setState] = useState<'loading' | 'ready' | { failed: string }>('loading');
  const { text, revision = 0, label, language, readOnly = false, problems, place } = props;

  useEffect(() => {
    let gone = false;
    import('./editor-view').then(
      ({ openEditor }) => {
        if (gone || host.current === null) return;
        const shadow = host.current.shadowRoot ?? host.current.attachShadow({ mode: 'open' });
        const { text, label, language, readOnly = false } = latest.current;
        handle.current = openEditor(shadow, {
          text,
          label,
          language,
          readOnly,
          noteOf: (reference) => latest.current.noteOf?.(reference) ?? null,
          onChange: (changed) => latest.current.onChange?.(changed),
          onSave: () => latest.current.onSave?.(),
        });
        setState('ready');
      },
      (error: unknown) => gone || setState({ failed: errorText(error) }),
    );
    return () => {
      gone = true;
      handle.current?.close();
      handle.current = null;
    };
  }, []);

  const ready = state === 'ready';
  useEffect(() => handle.current?.setMode({ label, language, readOnly }), [ready, label, language, readOnly]);
  useEffect(() => handle.current?.setText(latest.current.text), [ready, revision]);
  useEffect(() => handle.current?.setProblems(problems ?? []), [ready, problems, revision]);
  useEffect(() => {
    if (place != null) handle.current?.goTo(place);
  }, [ready, place]);

  return (
    <div class="editor-frame" data-testid="editor">
      {state === 'loading' && <p class="hint editor-loading">Loading the editor…</p>}
      {typeof state === 'object' && (
        <>
          <p class="notice notice-error" role="alert">
            The console cannot load the editor: {state.failed}
          </p>
          <TextView text={text} label={label} />
        </>
      )}
      <div ref={host} class="editor-host" hidden={state !== 'ready'} />
    </div>
  );
}
