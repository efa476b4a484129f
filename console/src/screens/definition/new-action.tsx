// Asks what a new action is to be, and makes its file.
import { useState } from 'preact/hooks';
import type { DefinitionFile } from '../../api';
import { METHODS, type Method, type NewAction, faultsOf, fileOf, newActionText } from './new-action-text';
import { ChoiceField, NewFileDialog, ProseField, TextField } from './new-file';

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

  const action: NewAction = {
    name: name.trim(),
    description,
    method,
    target: connection === '' ? { url: url.trim() } : { connection, path: path.trim() },
  };
  const taken = files.filter(({ kind }) => kind === 'action').map((file) => file.name);
  const faults = faultsOf(action, taken);
  const shown = tried ? faults : {};

  return (
    <NewFileDialog
      what="action"
      file={fileOf(action.name)}
      text={() => newActionText(action)}
      ready={() => {
        setTried(true);
        return Object.keys(faults).length === 0;
      }}
      {...{ onClose, onMade }}
    >
      <TextField
        label="Name"
        id="new-action-name"
        value={name}
        fault={shown.name}
        placeholder="get_invoice"
        onType={setName}
      />
      <ProseField
        label="What it does and when to use it"
        id="new-action-description"
        value={description}
        fault={shown.description}
        onType={setDescription}
      />
      <div class="row new-file-row">
        <ChoiceField
          label="Method"
          id="new-action-method"
          value={method}
          options={METHODS}
          onChoose={(one) => isMethod(one) && setMethod(one)}
        />
        <ChoiceField
          label="Connection"
          id="new-action-connection"
          value={connection}
          options={connections}
          none="No connection (full URL)"
          onChoose={setConnection}
        />
      </div>
      {connection === '' ? (
        <TextField label="URL" id="new-action-url" value={url} fault={shown.target} onType={setUrl} />
      ) : (
        <TextField label="Path" id="new-action-path" value={path} fault={shown.target} onType={setPath} />
      )}
    </NewFileDialog>
  );
}
