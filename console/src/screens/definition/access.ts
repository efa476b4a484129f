// Where a definition file comes from, and where it goes.
import { signal } from '@preact/signals';
import { ApiError, api } from '../../api';
import { remember, remembered } from '../../state';
import type { Problem } from '../../types';
import type { DiskFile, FileAccess } from './file-store';

/** Counts changes of which files have drafts. */
export const draftsChanged = signal(0);

export function hasDraft(file: string): boolean {
  return remembered(`draft.${file}`) !== null;
}

export function problemsOf(error: ApiError): Problem[] {
  const { problems } = error.problem;
  return Array.isArray(problems) ? (problems as unknown as Problem[]) : [];
}

/** The file that stands in the way of a save; null where there is none. */
function diskOf({ problem }: ApiError): DiskFile | null {
  const disk = problem.on_disk;
  if (typeof disk !== 'object' || disk === null || Array.isArray(disk)) return null;
  const { text, version } = disk;
  return typeof text === 'string' && typeof version === 'string' ? { text, version } : null;
}

export function accessOf(file: string): FileAccess {
  return {
    async read(abort) {
      try {
        const { text, version } = await api.definition(file, abort);
        return { text, version };
      } catch (error) {
        if (error instanceof ApiError && error.status === 404 && error.code === 'not_found') return null;
        throw error;
      }
    },
    async write(text, version) {
      try {
        const saved = await api.saveDefinition(file, text, version);
        const { problems, refused = null } = saved;
        return { kind: 'saved', version: saved.version, problems, refused };
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (error.status === 412) return { kind: 'changed', disk: diskOf(error) };
        if (error.code === 'invalid_definition') {
          return { kind: 'invalid', problems: problemsOf(error), detail: 'the text would add errors to the project.' };
        }
        throw error;
      }
    },
    draft: () => remembered(`draft.${file}`),
    keepDraft(draft) {
      if (hasDraft(file) !== (draft !== null)) draftsChanged.value += 1;
      return remember(`draft.${file}`, draft);
    },
  };
}
