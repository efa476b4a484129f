// The definitions of the project: reads them, and changes them where the gateway allows it.
import { useState } from 'preact/hooks';
import { ApiError, type DefinitionFile, api } from '../../api';
import { AdminNeeded } from '../../components/admin-needed';
import { errorText, isAbort } from '../../http';
import { usePoll } from '../../poll';
import { definitionHref, go, href, route } from '../../route';
import { environment, reconnections } from '../../state';
import { visible } from '../../text';
import { FileList } from './file-list';
import { FilePane } from './file-pane';
import { refusedText } from './file-store';
import { kindOf, nameOf } from './kinds';
import { NewActionDialog } from './new-action';
import { NewAgentDialog } from './new-agent';

const LOOK_EVERY_MS = 5_000;

interface Project {
  edit: boolean;
  files: readonly DefinitionFile[];
}

export default function DefinitionScreen() {
  const [project, setProject] = useState<Project | null>(null);
  const [failed, setFailed] = useState<unknown>(null);
  const [asking, setAsking] = useState<'action' | 'agent' | null>(null);
  const [made, setMade] = useState<{ file: string; refused: string | null } | null>(null);

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
        if (!isAbort(error)) setFailed(error);
      }
    },
    LOOK_EVERY_MS,
    String(reconnections.value),
  );

  if (project === null) {
    if (failed === null) return <p class="hint">Loading…</p>;
    if (failed instanceof ApiError && failed.code === 'admin_only') return <AdminNeeded testid="definitions-refused" />;
    return (
      <p class="notice notice-error" role="alert" data-testid="definitions-refused">
        {visible(errorText(failed))}
      </p>
    );
  }
  const wanted = route.value.path.length === 0 ? null : route.value.path.join('/');
  const known = project.files.find(({ file }) => file === wanted);
  // A file that is not listed yet may be there all the same: a new one is.
  const shown: DefinitionFile | null =
    known ??
    (wanted === null ? null : { file: wanted, kind: kindOf(wanted) ?? 'connection', name: nameOf(wanted) });
  const making = {
    files: project.files,
    onClose: () => setAsking(null),
    onMade: (file: string, refused: string | null) => {
      setAsking(null);
      setMade({ file, refused });
      lookNow();
      go(definitionHref(file));
    },
  };
  return (
    <div class="definition" data-testid="definition">
      <div class="stack">
        {project.edit && (
          <div class="row definition-new">
            <button type="button" class="button" onClick={() => setAsking('action')} data-testid="new-action">
              New action
            </button>
            <button type="button" class="button" onClick={() => setAsking('agent')} data-testid="new-agent">
              New agent
            </button>
          </div>
        )}
        <FileList files={project.files} chosen={wanted} />
      </div>
      <div class="definition-pane">
        {made !== null && made.file === wanted && <Made {...made} />}
        {shown === null ? (
          <div class="empty">
            <h1>Definitions</h1>
            <p>Choose a file.{!project.edit && ' Read only: `callgate serve --edit` turns editing on.'}</p>
          </div>
        ) : (
          <FilePane key={shown.file} file={shown} edit={project.edit} />
        )}
      </div>
      {asking === 'action' && <NewActionDialog {...making} />}
      {asking === 'agent' && <NewAgentDialog {...making} />}
    </div>
  );
}

function Made({ file, refused }: { file: string; refused: string | null }) {
  const what = kindOf(file) === 'agent' ? 'agent' : 'action';
  const to = [environment.value, nameOf(file)];
  return (
    <p class={refused === null ? 'notice notice-ok' : 'notice notice-warn'} role="status" data-testid={`new-${what}-made`}>
      {refused !== null && visible(refusedText(refused))}
      {refused === null && what === 'action' && (
        <>
          Action created. Change its text, or <a href={href('try', to)}>try it</a>.
        </>
      )}
      {refused === null && what === 'agent' && (
        <>
          Agent created. Change its text, or <a href={href('chat', to)}>chat with it</a>.
        </>
      )}
    </p>
  );
}
