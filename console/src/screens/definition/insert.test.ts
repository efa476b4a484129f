import assert from 'node:assert/strict';
import { test } from 'node:test';

import { InsertError, type NewOutput, insertOutput, outputLines, outputsOf } from './insert';

const ID: NewOutput = { name: 'order.id', path: '$.id', expose: true };
const ITEM = '- {name: order.id, path: $.id, expose: true}';

function inserted(text: string, output: NewOutput = ID): string {
  const { text: made, line } = insertOutput(text, output);
  assert.match(
    made.split(/\r\n|\r|\n/)[line - 1] ?? '',
    /name: "?[a-z0-9_.]+|"name": "/,
    `line ${line} of ${JSON.stringify(made)}`,
  );
  // All that was there is there still, in its order.
  let at = 0;
  for (const character of text.replace(/\s*(?:\[\s*\]|null|~)\s*/g, '')) {
    at = made.indexOf(character, at) + 1;
    assert.ok(at > 0, `${JSON.stringify(character)} is lost in ${JSON.stringify(made)}`);
  }
  return made;
}

test('a section is added at the end', () => {
  assert.equal(inserted('name: x\ndescription: y\n'), `name: x\ndescription: y\noutput_variables:\n  ${ITEM}\n`);
});

test('a text without a last line end still has none', () => {
  assert.equal(inserted('name: x\ndescription: y'), `name: x\ndescription: y\noutput_variables:\n  ${ITEM}`);
});

test('CRLF stays CRLF', () => {
  assert.equal(
    inserted('name: x\r\ndescription: y\r\n'),
    `name: x\r\ndescription: y\r\noutput_variables:\r\n  ${ITEM}\r\n`,
  );
  assert.equal(
    inserted('output_variables:\r\n  - {name: a, path: $.a}\r\nname: x\r\n'),
    `output_variables:\r\n  - {name: a, path: $.a}\r\n  ${ITEM}\r\nname: x\r\n`,
  );
});

test('a byte order mark stays', () => {
  assert.equal(inserted('\ufeffname: x\n'), `\ufeffname: x\noutput_variables:\n  ${ITEM}\n`);
});

test('an item is added behind the last one', () => {
  assert.equal(
    inserted('output_variables:\n  - {name: a, path: $.a}\n  - {name: b, path: $.b}\n\n# end\ntimeout_ms: 1\n'),
    `output_variables:\n  - {name: a, path: $.a}\n  - {name: b, path: $.b}\n  ${ITEM}\n\n# end\ntimeout_ms: 1\n`,
  );
});

test('a list at the end of a text without a last line end', () => {
  assert.equal(
    inserted('output_variables:\n  - {name: a, path: $.a}'),
    `output_variables:\n  - {name: a, path: $.a}\n  ${ITEM}`,
  );
});

test('the indentation of the list is followed', () => {
  assert.equal(
    inserted('output_variables:\n- {name: a, path: $.a}\nname: x\n'),
    `output_variables:\n- {name: a, path: $.a}\n${ITEM}\nname: x\n`,
  );
  assert.equal(
    inserted('output_variables:\n    -   {name: a, path: $.a}\n'),
    `output_variables:\n    -   {name: a, path: $.a}\n    -   {name: order.id, path: $.id, expose: true}\n`,
  );
});

test('the indentation of other lists is followed', () => {
  assert.equal(inserted('only_after:\n- a\nname: x\n'), `only_after:\n- a\nname: x\noutput_variables:\n${ITEM}\n`);
  assert.equal(inserted('only_after:\n    - a\n'), `only_after:\n    - a\noutput_variables:\n    ${ITEM}\n`);
});

test('items in block form are followed', () => {
  assert.equal(
    inserted('output_variables:\n  - name: a\n    path: $.a # why\n    expose: true\nname: x\n'),
    'output_variables:\n  - name: a\n    path: $.a # why\n    expose: true\n  - name: order.id\n    path: $.id\n    expose: true\nname: x\n',
  );
});

test('comments inside and behind the list', () => {
  assert.equal(
    inserted(
      'output_variables: # kept\n  # first\n  - {name: a, path: $.a} # x\n  # - {name: c, path: $.c}\n# other\nname: x\n',
    ),
    `output_variables: # kept\n  # first\n  - {name: a, path: $.a} # x\n  # - {name: c, path: $.c}\n  ${ITEM}\n# other\nname: x\n`,
  );
});

test('an empty list', () => {
  assert.equal(inserted('output_variables: []\nname: x\n'), `output_variables:\n  ${ITEM}\nname: x\n`);
  assert.equal(inserted('output_variables: [ ]  # none\nname: x\n'), `output_variables:  # none\n  ${ITEM}\nname: x\n`);
  assert.equal(inserted('output_variables: []'), `output_variables:\n  ${ITEM}`);
  assert.equal(inserted('output_variables:\nname: x\n'), `output_variables:\n  ${ITEM}\nname: x\n`);
  assert.equal(inserted('output_variables: null\nname: x\n'), `output_variables:\n  ${ITEM}\nname: x\n`);
  assert.equal(inserted('output_variables: ~ # none\r\n'), `output_variables: # none\r\n  ${ITEM}\r\n`);
});

test('a list in brackets', () => {
  const item = '{name: order.id, path: $.id, expose: true}';
  assert.equal(
    inserted('output_variables: [{name: a, path: "$.a[0]"}] # c\nname: x\n'),
    `output_variables: [{name: a, path: "$.a[0]"}, ${item}] # c\nname: x\n`,
  );
  assert.equal(
    inserted('output_variables: [ {name: a, path: $.a}, ]\n'),
    `output_variables: [ {name: a, path: $.a}, ${item} ]\n`,
  );
  assert.equal(
    inserted('output_variables: [\n    {name: a, path: "]#"}, # one\n    {name: b, path: $.b} # two\n  ]\nname: x\n'),
    `output_variables: [\n    {name: a, path: "]#"}, # one\n    {name: b, path: $.b}, # two\n    ${item}\n  ]\nname: x\n`,
  );
  assert.equal(
    inserted('output_variables:\n  [{name: a, path: $.a}]\n'),
    `output_variables:\n  [{name: a, path: $.a}, ${item}]\n`,
  );
});

test('what only looks like the section is not taken for it', () => {
  const text = 'body: |\n  output_variables: []\n  x\n# output_variables: []\nother:\n  output_variables: []\n';
  assert.equal(inserted(text), `${text}output_variables:\n  ${ITEM}\n`);
});

test('a second document and its end are left alone', () => {
  assert.equal(inserted('---\nname: x\n...\n'), `---\nname: x\noutput_variables:\n  ${ITEM}\n...\n`);
});

test('a body that keeps its last lines keeps them', () => {
  assert.equal(inserted('body: |+\n  x\n\n'), `body: |+\n  x\n\noutput_variables:\n  ${ITEM}\n`);
});

test('what YAML would read otherwise is quoted', () => {
  assert.equal(
    outputLines({ name: '2', path: "$.slots[*]['a b']", sensitive: true }),
    'output_variables:\n  - {name: "2", path: "$.slots[*][\'a b\']", sensitive: true}\n',
  );
  assert.equal(outputLines({ name: 'true', path: '$' }), 'output_variables:\n  - {name: "true", path: $}\n');
  assert.equal(
    outputLines({ name: 'a', path: '$.a', expose: false }),
    'output_variables:\n  - {name: a, path: $.a, expose: false}\n',
  );
});

test('a name that is there, or is none, is refused', () => {
  assert.throws(() => insertOutput('output_variables:\n  - {name: order.id, path: $.x}\n', ID), InsertError);
  assert.throws(() => insertOutput('output_variables:\n  - path: $.x\n    "name": \'order.id\'\n', ID), InsertError);
  assert.throws(() => insertOutput('name: x\n', { name: 'A b', path: '$' }), InsertError);
});

test('forms that are not understood are left alone', () => {
  for (const text of [
    'output_variables: *shared\n',
    '{name: x}\n',
    'output_variables: [\n',
    'output_variables: {a: 1}\n',
    'output_variables:\n  a: 1\n',
  ]) {
    assert.throws(() => insertOutput(text, ID), InsertError, text);
  }
});

test('outputs are read', () => {
  assert.deepEqual(
    outputsOf(
      'output_variables:\n  - {name: a.b, path: $.a, expose: true}\n  - name: c\n    path: "$.c[*]" # x\n  - {name: e, from: status}\n  - {path: \'$["x"]\', name: "f"}\n',
    ),
    [
      { name: 'a.b', path: '$.a' },
      { name: 'c', path: '$.c[*]' },
      { name: 'e', path: null },
      { name: 'f', path: '$["x"]' },
    ],
  );
  assert.deepEqual(outputsOf('output_variables: [{name: a, path: $.a}, {name: b, path: $.b}]\n'), [
    { name: 'a', path: '$.a' },
    { name: 'b', path: '$.b' },
  ]);
  assert.deepEqual(outputsOf('name: x\n'), []);
});

test('JSON', () => {
  const item = '{"name": "order.id", "path": "$.id", "expose": true}';
  assert.equal(inserted('{"name":"x"}'), `{"name":"x", "output_variables": [${item}]}`);
  assert.equal(inserted('{\n  "name": "x"\n}\n'), `{\n  "name": "x",\n  "output_variables": [${item}]\n}\n`);
  assert.equal(inserted('{"output_variables":[]}'), `{"output_variables":[${item}]}`);
  assert.equal(
    inserted('{\r\n\t"output_variables": [\r\n\t\t{"name": "a"}\r\n\t]\r\n}'),
    `{\r\n\t"output_variables": [\r\n\t\t{"name": "a"},\r\n\t\t${item}\r\n\t]\r\n}`,
  );
  assert.deepEqual(outputsOf('{"output_variables":[{"name":"a","path":"$.a"}]}'), [{ name: 'a', path: '$.a' }]);
});
