// The editor itself: CodeMirror in a shadow root, where its styles are adopted sheets, which the page's policy allows.
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { json } from '@codemirror/lang-json';
import { yaml } from '@codemirror/lang-yaml';
import { HighlightStyle, bracketMatching, indentOnInput, indentUnit, syntaxHighlighting } from '@codemirror/language';
import { type Diagnostic, lintGutter, lintKeymap, setDiagnostics } from '@codemirror/lint';
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search';
import { Compartment, EditorState, type Extension, Transaction } from '@codemirror/state';
import {
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  hoverTooltip,
  keymap,
  lineNumbers,
} from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { escapeOfCode } from '../json';
import type { EditorPlace, EditorProblem, Language, ReferenceNote } from './editor';
import { referenceAt, templateMarks } from './editor-templates';
import { theme } from './editor-theme';

interface Mode {
  label: string;
  language: Language;
  readOnly: boolean;
}

interface Options extends Mode {
  text: string;
  noteOf: (reference: string) => ReferenceNote | null;
  onChange: (text: string) => void;
  onSave: () => void;
}

export interface EditorHandle {
  setText: (text: string) => void;
  setMode: (mode: Mode) => void;
  setProblems: (problems: readonly EditorProblem[]) => void;
  goTo: (place: EditorPlace) => void;
  close: () => void;
}

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'var(--accent)' },
  { tag: [tags.string, tags.content], color: 'var(--text)' },
  { tag: tags.number, color: 'var(--src-argument)' },
  { tag: [tags.bool, tags.null, tags.keyword], color: 'var(--src-bound)' },
  { tag: [tags.comment, tags.meta], color: 'var(--muted)', fontStyle: 'italic' },
  { tag: [tags.separator, tags.punctuation, tags.squareBracket, tags.brace], color: 'var(--muted)' },
  { tag: [tags.labelName, tags.typeName], color: 'var(--src-static)' },
]);

/** What CodeMirror does not count among the characters that must be seen. */
const MORE_SPECIAL = /[\u034f\u180e\u202a-\u202c\u2060-\u206f\u3164\u{e0000}-\u{e007f}\ud800-\udfff]/gu;

function languageSupport(language: Language): Extension {
  switch (language) {
    case 'yaml':
      return yaml();
    case 'json':
      return json();
    case 'plain':
      return [];
  }
}

function modeExtensions({ label, language, readOnly }: Mode): Extension {
  return [
    languageSupport(language),
    EditorState.readOnly.of(readOnly),
    EditorView.editable.of(!readOnly),
    EditorView.contentAttributes.of({
      'aria-label': label,
      'data-testid': 'editor-content',
      tabindex: '0',
      ...(readOnly ? { role: 'textbox', 'aria-multiline': 'true', 'aria-readonly': 'true' } : {}),
    }),
  ];
}

function escapeMark(code: number): HTMLElement {
  const mark = document.createElement('span');
  mark.className = 'cm-escape';
  mark.textContent = escapeOfCode(code);
  return mark;
}

function noteTooltip(noteOf: Options['noteOf']): Extension {
  return hoverTooltip((view, position) => {
    const line = view.state.doc.lineAt(position);
    const found = referenceAt(line.text, position - line.from);
    const note = found === null ? null : noteOf(found.reference);
    if (found === null || note === null) return null;
    return {
      pos: line.from + found.from,
      end: line.from + found.to,
      above: true,
      create: () => {
        const dom = document.createElement('div');
        dom.className = 'cm-note';
        const title = document.createElement('div');
        title.className = 'cm-note-title';
        title.textContent = note.title;
        const text = document.createElement('div');
        text.className = 'cm-note-text';
        text.textContent = note.text;
        dom.append(title, text);
        return { dom };
      },
    };
  });
}

/**
 * Types over a selection by itself. The browser would keep the style of what was selected in a `style` attribute, which the
 * page's policy refuses with an error in the console.
 */
const typeOverSelection = EditorView.domEventHandlers({
  beforeinput(event, view) {
    const { state } = view;
    if (event.inputType !== 'insertText' || event.data === null || event.isComposing) return false;
    if (state.readOnly || state.selection.main.empty) return false;
    view.dispatch(state.replaceSelection(event.data), { userEvent: 'input.type', scrollIntoView: true });
    return true;
  },
});

/** The place in the document; what lies outside of it is its nearest place. */
function offsetOf(state: EditorState, line: number, column: number): number {
  const { from, to } = state.doc.line(Math.min(Math.max(line, 1), state.doc.lines));
  return Math.min(from + Math.max(0, column - 1), to);
}

function diagnosticOf(state: EditorState, { line, column, severity, message }: EditorProblem): Diagnostic {
  const from = offsetOf(state, line, column);
  const rest = state.doc.lineAt(from);
  const word = /^(?:[\w.$-]+|\s*\S)/.exec(rest.text.slice(from - rest.from))?.[0].length ?? 0;
  return { from, to: from + word, severity, message };
}

export function openEditor(shadow: ShadowRoot, options: Options): EditorHandle {
  const mode = new Compartment();
  const parent = document.createElement('div');
  shadow.replaceChildren(parent);
  let silent = false;
  const view = new EditorView({
    root: shadow,
    parent,
    state: EditorState.create({
      doc: options.text,
      extensions: [
        mode.of(modeExtensions(options)),
        lineNumbers(),
        lintGutter(),
        highlightActiveLineGutter(),
        highlightActiveLine(),
        highlightSpecialChars({ addSpecialChars: MORE_SPECIAL, render: escapeMark }),
        history(),
        typeOverSelection,
        bracketMatching(),
        indentOnInput(),
        indentUnit.of('  '),
        highlightSelectionMatches(),
        search({ top: true }),
        syntaxHighlighting(colours),
        templateMarks,
        noteTooltip(options.noteOf),
        EditorView.lineWrapping,
        theme,
        keymap.of([
          {
            key: 'Mod-s',
            preventDefault: true,
            run: () => {
              options.onSave();
              return true;
            },
          },
          ...searchKeymap,
          ...lintKeymap,
          ...historyKeymap,
          ...defaultKeymap,
        ]),
        EditorView.updateListener.of((update) => {
          if (update.docChanged && !silent) options.onChange(update.state.doc.toString());
        }),
      ],
    }),
  });

  return {
    setText(text) {
      const old = view.state.doc.toString();
      if (old === text) return;
      // Only what differs is replaced, so that the cursor and the view stay.
      let from = 0;
      const most = Math.min(old.length, text.length);
      while (from < most && old.charCodeAt(from) === text.charCodeAt(from)) from += 1;
      let same = 0;
      while (same < most - from && old.charCodeAt(old.length - 1 - same) === text.charCodeAt(text.length - 1 - same)) {
        same += 1;
      }
      silent = true;
      view.dispatch({
        changes: { from, to: old.length - same, insert: text.slice(from, text.length - same) },
        annotations: [Transaction.userEvent.of('set')],
      });
      silent = false;
    },
    setMode: (next) => view.dispatch({ effects: mode.reconfigure(modeExtensions(next)) }),
    setProblems(problems) {
      const placed = problems.filter(({ line }) => line > 0);
      const all = placed.map((problem) => diagnosticOf(view.state, problem)).sort((a, b) => a.from - b.from);
      view.dispatch(setDiagnostics(view.state, all));
    },
    goTo({ line, column = 1, focus = true }) {
      const anchor = offsetOf(view.state, line, column);
      view.dispatch({ selection: { anchor }, effects: EditorView.scrollIntoView(anchor, { y: 'center' }) });
      if (focus) view.focus();
    },
    close: () => view.destroy(),
  };
}
