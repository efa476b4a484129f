// Asks what a new agent is to be, and makes its file.
import { useState } from 'preact/hooks';
import type { DefinitionFile, DefinitionKind } from '../../api';
import { type NewAgent, PROVIDERS, type Provider, agentFaultsOf, agentFileOf, newAgentText } from './new-agent-text';
import { ChoiceField, NewFileDialog, ProseField, TextField } from './new-file';

interface NewAgentProps {
  files: readonly DefinitionFile[];
  onClose: () => void;
  /** `refused` is why the gateway does not serve it, if it does not. */
  onMade: (file: string, refused: string | null) => void;
}

function isProvider(text: string): text is Provider {
  return PROVIDERS.some((provider) => provider === text);
}

export function NewAgentDialog({ files, onClose, onMade }: NewAgentProps) {
  const namesOf = (wanted: DefinitionKind) => files.filter(({ kind }) => kind === wanted).map(({ name }) => name);
  const [name, setName] = useState('');
  const [instructions, setInstructions] = useState('');
  const [provider, setProvider] = useState<Provider>('openai');
  const [model, setModel] = useState('');
  const [connection, setConnection] = useState('');
  const [url, setUrl] = useState('');
  const [auth, setAuth] = useState('');
  const [tried, setTried] = useState(false);

  const agent: NewAgent = {
    name: name.trim(),
    instructions,
    provider,
    model: model.trim(),
    target: connection === '' ? { url: url.trim() } : { connection },
    auth,
  };
  const faults = agentFaultsOf(agent, namesOf('agent'));
  const shown = tried ? faults : {};

  return (
    <NewFileDialog
      what="agent"
      file={agentFileOf(agent.name)}
      text={() => newAgentText(agent)}
      ready={() => {
        setTried(true);
        return Object.keys(faults).length === 0;
      }}
      {...{ onClose, onMade }}
    >
      <TextField
        label="Name"
        id="new-agent-name"
        value={name}
        fault={shown.name}
        placeholder="front_desk"
        onType={setName}
      />
      <ProseField
        label="Instructions for the model"
        id="new-agent-instructions"
        value={instructions}
        fault={shown.instructions}
        onType={setInstructions}
      />
      <div class="row new-file-row">
        <ChoiceField
          label="Provider"
          id="new-agent-provider"
          value={provider}
          options={PROVIDERS}
          onChoose={(one) => isProvider(one) && setProvider(one)}
        />
        <TextField
          label="Model"
          id="new-agent-model"
          value={model}
          fault={shown.model}
          placeholder="gpt-4.1-mini"
          onType={setModel}
        />
      </div>
      <div class="row new-file-row">
        <ChoiceField
          label="Connection"
          id="new-agent-connection"
          value={connection}
          options={namesOf('connection')}
          none="No connection (base URL)"
          onChoose={setConnection}
        />
        <ChoiceField
          label="Auth connector"
          id="new-agent-auth"
          value={auth}
          options={namesOf('auth')}
          none={connection === '' ? 'None' : 'That of the connection'}
          onChoose={setAuth}
        />
      </div>
      {connection === '' && (
        <TextField
          label="Base URL, if not the provider’s public address"
          id="new-agent-url"
          value={url}
          fault={shown.target}
          placeholder="http://localhost:11434/v1"
          onType={setUrl}
        />
      )}
    </NewFileDialog>
  );
}
