// Asks what a new action is to be, and makes its file.
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { ApiError, type DefinitionFile, type Problem, api } from '../../api';
import { Dialog } from '../../components/dialog';
import { errorText } from '../../http';
import { loadActions, loadStatus } from '../../load';
import { visible } from '../../text';
import { problemsOf } from './access';
import { METHODS, type Method, type NewAction, faultsOf, fileOf, newActionText } from './new-action-text';

interface NewActionProps {
  files: readonly DefinitionFile[];
  onClose: () => void;
  /** `refused` is why the gateway does not serve it, if it does not. */
  onMade: (file: string, refused: string | null) => void;
}

function isMethod(text: string): text is Method {
  return METHODS.some((method) => method === text);
}

export function NewActionDialog({ files, onClose, onMade }: NewActionProps) {
  const connections = files.filter(({ kind }) => kind === 'connection').map(({ name }) => name);
  const [name, setName] = useState('');
  const [description, setDescription] = useState('');
  const [method, setMethod] = useState<Method>('GET');
  const [connection, setConnection] = useState(connections[0] ?? '');
  const [path, setPath] = useState('/');
  const [url, setUrl] = useState('https://');
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<{ why: string; problems: readonly Problem[] } | null>(null);

  const action: NewAction = {
    name: name.trim(),
    description,
    method,
    target: connection === '' ? { url: url.trim() } : { connection, path: path.trim() },
  };
  const taken = files.filter(({ kind }) => kind === 'action').map((file) => file.name);
  const faults = faultsOf(action, taken);
  const faultOf = (field: keyof typeof faults): string | undefined => (tried ? faults[field] : undefined);

  const make = async (): Promise<void> => {
    setTried(true);
    if (Object.keys(faults).length > 0) return;
    setBusy(true);
    try {
      const saved = await api.saveDefinition(fileOf(action.name), newActionText(action), null);
      void loadActions();
      void loadStatus();
      onMade(fileOf(action.name), saved.refused ?? null);
    } catch (error) {
      const there = error instanceof ApiError && error.status === 412;
      setRefused({
        why: there ? 'There is a file of this name.' : errorText(error),
        problems: error instanceof ApiError ? problemsOf(error) : [],
      });
    } finally {
      setBusy(false);
    }
  };

  return (
    <Dialog
      title="New action"
      onClose={onClose}
      testid="new-action-dialog"
      actions={
        <>
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button
            type="submit"
            form="new-action"
            class="button button-primary"
            disabled={busy}
            data-testid="new-action-make"
          >
            Create action
          </button>
        </>
      }
    >
      <form
        id="new-action"
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void make();
        }}
      >
        <Field label="Name" fault={faultOf('name')} id="new-action-name">
          <input
            id="new-action-name"
            class="input mono"
            value={name}
            placeholder="get_invoice"
            spellcheck={false}
            autocomplete="off"
            aria-invalid={faultOf('name') !== undefined}
            onInput={(event) => setName(event.currentTarget.value)}
            data-testid="new-action-name"
          />
        </Field>
        <Field label="What it does and when to use it" fault={faultOf('description')} id="new-action-description">
          <textarea
            id="new-action-description"
            class="textarea"
            value={description}
            aria-invalid={faultOf('description') !== undefined}
            onInput={(event) => setDescription(event.currentTarget.value)}
            data-testid="new-action-description"
          />
        </Field>
        <div class="row new-action-request">
          <Field label="Method" id="new-action-method">
            <select
              id="new-action-method"
              class="select"
              value={method}
              onChange={(event) => isMethod(event.currentTarget.value) && setMethod(event.currentTarget.value)}
              data-testid="new-action-method"
            >
              {METHODS.map((one) => (
                <option key={one} value={one} selected={one === method}>
                  {one}
                </option>
              ))}
            </select>
          </Field>
          <Field label="Connection" id="new-action-connection">
            <select
              id="new-action-connection"
              class="select"
              value={connection}
              onChange={(event) => setConnection(event.currentTarget.value)}
              data-testid="new-action-connection"
            >
              {connections.map((one) => (
                <option key={one} value={one} selected={one === connection}>
                  {visible(one)}
                </option>
              ))}
              <option value="" selected={connection === ''}>
                No connection (full URL)
              </option>
            </select>
          </Field>
        </div>
        {connection === '' ? (
          <Field label="URL" fault={faultOf('target')} id="new-action-url">
            <input
              id="new-action-url"
              class="input mono"
              value={url}
              spellcheck={false}
              aria-invalid={faultOf('target') !== undefined}
              onInput={(event) => setUrl(event.currentTarget.value)}
              data-testid="new-action-url"
            />
          </Field>
        ) : (
          <Field label="Path" fault={faultOf('target')} id="new-action-path">
            <input
              id="new-action-path"
              class="input mono"
              value={path}
              spellcheck={false}
              aria-invalid={faultOf('target') !== undefined}
              onInput={(event) => setPath(event.currentTarget.value)}
              data-testid="new-action-path"
            />
          </Field>
        )}
        {refused !== null && (
          <div class="notice notice-error" role="alert" data-testid="new-action-refused">
            <p class="isolate">Not created. {visible(refused.why)}</p>
            {refused.problems.map(({ file, line, message }, at) => (
              <p key={at} class="isolate">
                {visible(`${file}:${line}: ${message}`)}
              </p>
            ))}
          </div>
        )}
      </form>
    </Dialog>
  );
}

interface FieldProps {
  label: string;
  id: string;
  fault?: string | undefined;
  children: ComponentChildren;
}

function Field({ label, id, fault, children }: FieldProps) {
  return (
    <div class="new-action-field">
      <label class="label" for={id}>
        {label}
      </label>
      {children}
      {fault !== undefined && (
        <p class="error-text" role="alert">
          {fault}
        </p>
      )}
    </div>
  );
}
