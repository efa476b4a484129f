import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

import { curlCommand, quoted } from './curl';

const asked = { gateway: 'https://gate.example.com/below/', environment: 'development', agent: 'front_desk', text: 'Hello', hasKey: false };

test('a shell takes each word as it was', () => {
  for (const text of ["it's", `"$HOME" \`id\` \\ !x`, "'''", 'a\nb', '']) {
    const { stdout } = spawnSync('sh', ['-c', `printf %s ${quoted(text)}`], { encoding: 'utf8' });
    assert.equal(stdout, text);
  }
});

test('the command asks the agent at the address of the gateway', () => {
  const text = `It's "here" $HOME`;
  const script = `curl() { printf '%s\\n' "$@"; }\n${curlCommand({ ...asked, text })}`;
  const { stdout } = spawnSync('sh', ['-c', script], { encoding: 'utf8' });
  const words = stdout.trimEnd().split('\n');
  assert.equal(words[1], 'https://gate.example.com/below/v1/chat/completions');
  assert.ok(words.includes('Callgate-Environment: development'));
  const body = JSON.parse(words.at(-1) ?? '') as object;
  assert.deepEqual(body, { model: 'front_desk', stream: true, messages: [{ role: 'user', content: text }] });
});

test('a key stands as a variable of the shell', () => {
  assert.ok(!curlCommand(asked).includes('Authorization'));
  const script = `CALLGATE_KEY=cg_1; curl() { printf '%s\\n' "$@"; }\n${curlCommand({ ...asked, hasKey: true })}`;
  const { stdout } = spawnSync('sh', ['-c', script], { encoding: 'utf8' });
  assert.ok(stdout.includes('\nAuthorization: Bearer cg_1\n'));
});
