// One definition file: its text, and of an action its branches and specs. An action leads to Try, an agent to Chat.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { DefinitionFile } from '../../api';
import type { EditorPlace } from '../../components/editor';
import { errorText, isAbort } from '../../http';
import { loadActions, loadAgents, loadStatus } from '../../load';
import { usePoll } from '../../poll';
import { href, route } from '../../route';
import { actions, agents, environment } from '../../state';
import { visible } from '../../text';
import { accessOf } from './access';
import { BranchesView } from './branches';
import { Conflict } from './conflict';
import { FileStore } from './file-store';
import { useGuard } from './guard';
import { DiscardDialog, LeaveDialog } from './unsaved';
import { lineEndsNote } from './line-ends';
import { SpecsView } from './specs';
import { type Tab, Tabs } from './tabs';
import { TextTab } from './text-tab';
import type { Defined } from './use-values';

const LOOK_EVERY_MS = 2_000;

interface FilePaneProps {
  file: DefinitionFile;
  edit: boolean;
}

/** The place that the address names; another address makes another turn. */
function usePlace(): EditorPlace | null {
  const { query } = route.value;
  const turn = useRef(0);
  return useMemo(() => {
    const line = Number(query.get('line'));
    if (!(line > 0)) return null;
    turn.current += 1000;
    return { line, column: Number(query.get('column')) || 1, turn: turn.current, focus: true };
  }, [query]);
}

/** The name of what the file defines, which its text may choose; null where the gateway serves nothing of the file. */
function nameIn(served: readonly { name: string; file?: string }[] | null, file: string): string | null {
  return served?.find((one) => one.file === file)?.name ?? null;
}

export function FilePane({ file: { file, kind, name }, edit }: FilePaneProps) {
  const store = useMemo(() => new FileStore(accessOf(file)), [file]);
  const [tab, setTab] = useState('text');
  const [failed, setFailed] = useState<string | null>(null);
  const place = usePlace();
  const guard = useGuard(() => store.modified.peek());

  useEffect(() => {
    if (place !== null) setTab('text');
  }, [place]);

  usePoll(
    async (abort) => {
      try {
        if (store.state.peek() === 'loading') await store.open(abort);
        else await store.refresh(abort);
        setFailed(null);
      } catch (error) {
        if (!isAbort(error) && store.state.peek() === 'loading') setFailed(errorText(error));
      }
    },
    LOOK_EVERY_MS,
    file,
  );

  const save = async (over: Parameters<FileStore['save']>[0] = null): Promise<boolean> => {
    if (!edit) return false;
    try {
      const saved = await store.save(over);
      if (saved) {
        void loadActions();
        void loadAgents();
        void loadStatus();
      }
      return saved;
    } catch (error) {
      store.said.value = { kind: 'error', text: `Not saved: ${errorText(error)}` };
      return false;
    }
  };

  const state = store.state.value;
  if (state === 'loading') {
    return failed === null ? <p class="hint">Loading…</p> : <p class="notice notice-error">{visible(failed)}</p>;
  }
  if (state === 'missing') {
    return (
      <p class="notice notice-warn" role="alert" data-testid="file-missing">
        There is no file {visible(file)}, or not any more.
      </p>
    );
  }
  const action = kind === 'action' ? (nameIn(actions.value, file) ?? name) : null;
  // An agent need not be there in every environment.
  const agent = nameIn(agents.value, file);
  const defined = { action, agent };
  const modified = store.modified.value;
  const version = store.base.value?.version ?? '';
  const served = modified && <p class="hint">This is of the saved text, not of what is typed.</p>;
  const tabs: Tab[] = [
    {
      id: 'text',
      label: 'Text',
      content: () => <TextTab {...{ store, file, defined, edit, place }} onSave={() => void save()} />,
    },
  ];
  if (action !== null) {
    const of = { action, environment: environment.value, version };
    tabs.push(
      {
        id: 'branches',
        label: 'Branches',
        content: () => (
          <>
            {served}
            <BranchesView {...of} file={file} />
          </>
        ),
      },
      {
        id: 'specs',
        label: 'Tool specs',
        content: () => (
          <>
            {served}
            <SpecsView {...of} />
          </>
        ),
      },
    );
  }
  return (
    <div class="stack">
      <FileHead {...{ store, file, defined, edit }} onSave={() => void save()} />
      <Conflict store={store} onSave={(over) => void save(over)} />
      {tabs.length === 1 ? (
        tabs[0]?.content()
      ) : (
        <Tabs label={`Views of ${file}`} tabs={tabs} chosen={tab} onChoose={setTab} />
      )}
      {guard.wanted !== null && <LeaveDialog {...{ guard, store }} onSave={() => save()} />}
    </div>
  );
}

interface FileHeadProps {
  store: FileStore;
  file: string;
  defined: Defined;
  edit: boolean;
  onSave: () => void;
}

function FileHead({ store, file, defined: { action, agent }, edit, onSave }: FileHeadProps) {
  const modified = store.modified.value;
  const [discarding, setDiscarding] = useState(false);
  const said = store.said.value;
  const ends = lineEndsNote(store.base.value?.text ?? '');
  return (
    <div class="stack">
      <div class="row definition-head">
        <h1 class="isolate">{visible(file)}</h1>
        {modified && (
          <span class="badge badge-warn" data-testid="modified">
            not saved
          </span>
        )}
        {ends !== null && <span class="hint">{ends}</span>}
        <span class="grow" />
        {action !== null && (
          <a class="button button-small" href={href('try', [environment.value, action])} data-testid="definition-try">
            Try it
          </a>
        )}
        {agent !== null && (
          <a class="button button-small" href={href('chat', [environment.value, agent])} data-testid="definition-chat">
            Chat with it
          </a>
        )}
        {edit && (
          <>
            <button
              type="button"
              class="button button-small"
              disabled={!modified}
              onClick={() => setDiscarding(true)}
              data-testid="discard"
            >
              Discard
            </button>
            <button
              type="button"
              class="button button-small button-primary"
              disabled={!modified || store.saving.value}
              onClick={onSave}
              data-testid="save"
            >
              {store.saving.value ? 'Saving…' : 'Save'}
            </button>
          </>
        )}
      </div>
      {!edit && (
        <p class="hint" data-testid="read-only">
          Read only. <code>callgate serve --edit</code> turns editing on.
        </p>
      )}
      <div role="status" data-testid="definition-said">
        {said !== null && <p class={`notice notice-${said.kind}`}>{visible(said.text)}</p>}
      </div>
      {discarding && (
        <DiscardDialog
          file={file}
          onClose={() => setDiscarding(false)}
          onDiscard={() => {
            setDiscarding(false);
            store.discard();
          }}
        />
      )}
    </div>
  );
}
