import assert from 'node:assert/strict';
import { test } from 'node:test';

import { boundNames } from './yaml-bind';

const namesOf = (text: string): string[] => [...boundNames(text)];

test('names below bind', () => {
  const text = `name: a
bind: # what the model does not say
  # a comment
  phone: "{{.variables.caller_phone}}"
  "the place": x
  address:
    street: y
parameters: {type: object}
`;
  assert.deepEqual(namesOf(text), ['phone', 'the place', 'address']);
});

test('names in braces', () => {
  assert.deepEqual(namesOf('bind: {phone: "{{.variables.a}}, b: c", area: {x: 1}, "odd one": [a, b]}\nx: 1\n'), [
    'phone',
    'area',
    'odd one',
  ]);
  assert.deepEqual(namesOf('bind:\n  {a: 1,\n   b: 2}\n'), ['a', 'b']);
  assert.deepEqual(namesOf('bind: {\n  a: 1,\n  b: 2\n}\nc: 3\n'), ['a', 'b']);
});

test('no names', () => {
  for (const text of ['', 'name: a\n', 'bind:\nname: a\n', 'bind: null\n', 'body:\n  bind:\n    a: 1\n', '# bind:\n#  a: 1\n'])
    assert.deepEqual(namesOf(text), [], text);
});
