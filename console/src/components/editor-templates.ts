// Marks the templates of a definition and the references in them, whatever language is around them.
import type { Extension } from '@codemirror/state';
import {
  Decoration,
  type DecorationSet,
  EditorView,
  MatchDecorator,
  ViewPlugin,
  type ViewUpdate,
} from '@codemirror/view';

import { REFERENCE, TEMPLATE } from './references';

export { referenceAt } from './references';

function sourceClass(reference: string): string {
  if (reference.includes('.parameters')) return 'cm-reference cm-reference-argument';
  if (reference.includes('.static_variables')) return 'cm-reference cm-reference-static';
  if (reference.includes('.variables')) return 'cm-reference cm-reference-variable';
  return 'cm-reference';
}

function plugin(decorator: MatchDecorator): Extension {
  return ViewPlugin.fromClass(
    class {
      decorations: DecorationSet;
      constructor(view: EditorView) {
        this.decorations = decorator.createDeco(view);
      }
      update(update: ViewUpdate) {
        this.decorations = decorator.updateDeco(update, this.decorations);
      }
    },
    { decorations: (value) => value.decorations },
  );
}

const template = Decoration.mark({ class: 'cm-template' });

export const templateMarks: Extension = [
  plugin(new MatchDecorator({ regexp: TEMPLATE, decoration: template })),
  plugin(
    new MatchDecorator({
      regexp: TEMPLATE,
      decorate: (add, from, _to, match) => {
        for (const found of match[0].matchAll(REFERENCE)) {
          const at = from + found.index;
          add(at, at + found[0].length, Decoration.mark({ class: sourceClass(found[0]) }));
        }
      },
    }),
  ),
];
