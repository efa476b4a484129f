import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type NewAgent, agentFaultsOf, newAgentText } from './new-agent-text';

const agent: NewAgent = {
  name: 'night_desk',
  instructions: '  You answer at night: "Good evening".\r\n\r\n  Speak with {{.variables.name}} # not a comment. \n',
  provider: 'openai',
  model: 'scripted',
  target: { connection: 'llm' },
  auth: '',
};

test('a new agent', () => {
  assert.equal(
    newAgentText(agent),
    `name: night_desk
instructions: |
  You answer at night: "Good evening".

    Speak with {{.variables.name}} # not a comment.
model:
  provider: openai
  connection: llm
  model: scripted
`,
  );
});

test('an agent without a connection', () => {
  const here = newAgentText({ ...agent, target: { url: 'http://localhost:11434/v1' }, model: 'qwen3:8b', name: 'on' });
  assert.match(here, /^name: "on"\n/);
  assert.match(here, /\n  provider: openai\n  base_url: "http:\/\/localhost:11434\/v1"\n  model: "qwen3:8b"\n$/);
  const there = newAgentText({ ...agent, provider: 'anthropic', target: { url: '' }, auth: 'anthropic_key' });
  assert.match(there, /\nmodel:\n  provider: anthropic\n  auth: anthropic_key\n  model: scripted\n$/);
});

test('what an agent lacks is told', () => {
  assert.deepEqual(agentFaultsOf(agent, []), {});
  assert.deepEqual(agentFaultsOf({ ...agent, target: { url: '' } }, []), {});
  assert.deepEqual(
    Object.keys(agentFaultsOf({ ...agent, name: 'a b', instructions: ' \n', model: '', target: { url: 'llm' } }, [])),
    ['name', 'instructions', 'model', 'target'],
  );
  assert.deepEqual(agentFaultsOf(agent, ['night_desk']), { name: 'There is an agent of this name.' });
});
