// The definitions of the project: reads them, and changes them where the gateway allows it.
import { useState } from 'preact/hooks';
import { ApiError, type DefinitionFile, api } from '../../api';
import { errorText, isAbort } from '../../http';
import { usePoll } from '../../poll';
import { definitionHref, go, href, route } from '../../route';
import { environment, reconnections } from '../../state';
import { visible } from '../../text';
import { FileList } from './file-list';
import { FilePane } from './file-pane';
import { NewActionDialog } from './new-action';

const LOOK_EVERY_MS = 5_000;

interface Project {
  edit: boolean;
  files: readonly DefinitionFile[];
}

/** The name of what a file defines: that of the file, without folder and ending. */
function nameOf(file: string): string {
  return file.replace(/^.*\//, '').replace(/\.[^.]*$/, '');
}

function refusal(error: unknown): string {
  if (error instanceof ApiError && error.code === 'admin_only')
    return 'Only a key with `admin = true` may read the definitions.';
  return errorText(error);
}

export default function DefinitionScreen() {
  const [project, setProject] = useState<Project | null>(null);
  const [failed, setFailed] = useState<string | null>(null);
  const [asking, setAsking] = useState(false);
  const [made, setMade] = useState<string | null>(null);

  const lookNow = usePoll(
    async (abort) => {
      try {
        const { edit, files } = await api.definitions(abort);
        const named = files.map((file) => ({ ...file, name: file.name ?? nameOf(file.file) }));
        setProject((before) =>
          JSON.stringify(before) === JSON.stringify({ edit, files: named }) ? before : { edit, files: named },
        );
        setFailed(null);
      } catch (error) {
        if (!isAbort(error)) setFailed(refusal(error));
      }
    },
    LOOK_EVERY_MS,
    String(reconnections.value),
  );

  if (project === null) {
    return failed === null ? (
      <p class="hint">Loading…</p>
    ) : (
      <p class="notice notice-error" role="alert" data-testid="definitions-refused">
        {visible(failed)}
      </p>
    );
  }
  const wanted = route.value.path.length === 0 ? null : route.value.path.join('/');
  const known = project.files.find(({ file }) => file === wanted);
  // A file that is not listed yet may be there all the same: a new one is.
  const shown: DefinitionFile | null =
    known ??
    (wanted === null
      ? null
      : { file: wanted, kind: wanted.startsWith('actions/') ? 'action' : 'connection', name: nameOf(wanted) });
  return (
    <div class="definition" data-testid="definition">
      <div class="stack">
        {project.edit && (
          <button type="button" class="button" onClick={() => setAsking(true)} data-testid="new-action">
            New action
          </button>
        )}
        <FileList files={project.files} chosen={wanted} />
      </div>
      <div class="definition-pane">
        {made !== null && made === wanted && (
          <p class="notice notice-ok" role="status" data-testid="new-action-made">
            The action is made. Change its text, or <a href={href('try', [environment.value, nameOf(made)])}>try it</a>.
          </p>
        )}
        {shown === null ? (
          <div class="empty">
            <h1>Definitions</h1>
            <p>Choose a file.{!project.edit && ' Read only: `callgate serve --edit` turns editing on.'}</p>
          </div>
        ) : (
          <FilePane key={shown.file} file={shown} edit={project.edit} />
        )}
      </div>
      {asking && (
        <NewActionDialog
          files={project.files}
          onClose={() => setAsking(false)}
          onMade={(file) => {
            setAsking(false);
            setMade(file);
            lookNow();
            go(definitionHref(file));
          }}
        />
      )}
    </div>
  );
}
