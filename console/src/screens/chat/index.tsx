// Chat: talk to an agent, and see what it does between its words.
import { useEffect } from 'preact/hooks';
import { go, href, route } from '../../route';
import { agents, environment, environments, remember, remembered } from '../../state';
import { visible } from '../../text';
import { AboutAgent, AgentSelect, ConversationBar, CurlBlock } from './about';
import { Announcer } from './announcer';
import { chatAt, chatsWith, freshId } from './chats';
import { Composer } from './composer';
import { ChatFeed } from './feed';
import { Transcript } from './transcript';

export default function ChatScreen() {
  const list = agents.value;
  const place = environment.value;
  const [, named, id] = route.value.path;
  const isServed = environments.value?.includes(place) ?? false;

  // An address that names no agent or no conversation becomes one that does.
  useEffect(() => {
    const [first] = list ?? [];
    if (!isServed || !first || (named !== undefined && id !== undefined)) return;
    const last = remembered(`agent.${place}`);
    const agent = named ?? list?.find(({ name }) => name === last)?.name ?? first.name;
    const conversation = remembered(`chat.${place}.${agent}`) ?? chatsWith(place, agent)[0]?.id ?? freshId();
    go(href('chat', [place, agent, conversation]), true);
  }, [list, place, named, id, isServed]);

  useEffect(() => {
    if (named === undefined || id === undefined) return;
    remember(`agent.${place}`, named);
    remember(`chat.${place}.${named}`, id);
  }, [place, named, id]);

  if (!list) return <p class="hint">Asking the gateway …</p>;
  if (list.length === 0 && named === undefined) {
    return (
      <p class="empty" data-testid="no-agents">
        There is no agent in this environment. A file <code>agents/&lt;name&gt;.yaml</code> makes one.
      </p>
    );
  }
  if (named === undefined || id === undefined) return null;
  const agent = list.find(({ name }) => name === named);
  const chat = chatAt({ environment: place, agent: named, id });
  return (
    <section class="chat" aria-labelledby="chat-title" data-testid="chat-screen">
      <h1 id="chat-title" class="visually-hidden">
        Chat with {visible(named)}
      </h1>
      <header class="chat-head">
        <AgentSelect agents={list} chosen={named} environment={place} />
        <ConversationBar chat={chat} />
        {agent ? (
          <AboutAgent agent={agent} />
        ) : (
          <p class="notice notice-error" role="alert" data-testid="unknown-agent">
            There is no agent “{visible(named)}” in {visible(place)}. Choose another one.
          </p>
        )}
      </header>
      <div class="chat-columns" key={`${place} ${named} ${id}`}>
        <div class="chat-talk">
          <Announcer chat={chat} />
          <Transcript chat={chat} />
          <Composer chat={chat} />
          <CurlBlock chat={chat} />
        </div>
        <ChatFeed chat={chat} />
      </div>
    </section>
  );
}
