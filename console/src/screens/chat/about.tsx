// The agent that is talked to, and the conversation.
import { useState } from 'preact/hooks';
import type { Agent } from '../../api';
import { CopyButton } from '../../components/copy';
import { Visible } from '../../components/text-view';
import { definitionHref, go, href } from '../../route';
import { key } from '../../state';
import { visible } from '../../text';
import type { Chat } from './chat';
import { chatAt, draft, freshId } from './chats';
import { curlCommand } from './curl';
import { GoOnDialog } from './go-on';
import { countText } from './words';

export function AgentSelect({ agents, chosen, environment }: { agents: readonly Agent[]; chosen: string; environment: string }) {
  const names = agents.map(({ name }) => name);
  const all = names.includes(chosen) ? names : [...names, chosen];
  return (
    <span class="row">
      <label class="label" for="chat-agent">
        Agent
      </label>
      <select
        id="chat-agent"
        class="select chat-agent"
        value={chosen}
        onChange={(event) => go(href('chat', [environment, event.currentTarget.value]))}
        data-testid="chat-agent"
      >
        {all.map((name) => (
          <option key={name} value={name} selected={name === chosen}>
            {visible(name)}
          </option>
        ))}
      </select>
    </span>
  );
}

export function AboutAgent({ agent }: { agent: Agent }) {
  const [first, ...others] = agent.models;
  return (
    <div class="chat-about-agent" data-testid="about-agent">
      {agent.description !== '' && <p>{visible(agent.description)}</p>}
      <div class="hint chat-about">
        {first !== undefined && (
          <span>
            Model <bdi class="mono">{visible(first)}</bdi>
            {others.length > 0 && (
              <>
                , else <bdi class="mono">{visible(others.join(', '))}</bdi>
              </>
            )}
          </span>
        )}
        {agent.file && (
          <a class="hint" href={definitionHref(agent.file)} data-testid="open-definition">
            Definition
          </a>
        )}
        <details>
          <summary>{agent.actions.length === 0 ? 'No actions' : countText(agent.actions.length, 'action')}</summary>
          <ul class="chat-actions">
            {agent.actions.map((name) => (
              <li key={name}>
                <bdi class="mono">{visible(name)}</bdi>
              </li>
            ))}
          </ul>
        </details>
      </div>
    </div>
  );
}

export function ConversationBar({ chat }: { chat: Chat }) {
  const { environment, agent, id } = chat;
  const [asks, setAsks] = useState(false);
  const to = (other: string) => go(href('chat', [environment, agent, other]));
  const goOn = (other: string) => {
    setAsks(false);
    chatAt({ environment, agent, id: other }).hasBegun.value = true;
    to(other);
  };
  return (
    <div class="row chat-conversation">
      <span class="label">Conversation</span>
      <bdi class="mono isolate" data-testid="chat-id">
        {visible(id)}
      </bdi>
      <CopyButton text={id} what="the id of the conversation" />
      <a class="hint" href={href('live', [environment, id])}>
        Live
      </a>
      <button type="button" class="button button-small" onClick={() => to(freshId())} data-testid="chat-new">
        New conversation
      </button>
      <button type="button" class="button button-small" onClick={() => setAsks(true)} data-testid="chat-go-on">
        Go on with another…
      </button>
      {asks && <GoOnDialog environment={environment} agent={agent} choose={goOn} close={() => setAsks(false)} />}
    </div>
  );
}

/** The last thing that was said, or what is being typed, as a shell asks it. */
export function CurlBlock({ chat }: { chat: Chat }) {
  void chat.version.value;
  const typed = draft.value.trim();
  const command = curlCommand({
    gateway: new URL('..', location.href).href,
    environment: chat.environment,
    agent: chat.agent,
    text: typed !== '' ? typed : (chat.turns.at(-1)?.said ?? 'Hello'),
    hasKey: key.value !== '',
  });
  return (
    <details class="chat-curl">
      <summary>curl, as a voice product asks this agent</summary>
      <div class="stack">
        <p class="hint">
          A product sets <code>{new URL(`../${encodeURIComponent(chat.environment)}/v1`, location.href).href}</code> as the
          base URL and <code>{visible(chat.agent)}</code> as the model.
        </p>
        <pre class="code" data-testid="chat-curl">
          <Visible text={command} />
        </pre>
        <div>
          <CopyButton text={command} what="the command" testid="copy-curl" />
        </div>
      </div>
    </details>
  );
}
