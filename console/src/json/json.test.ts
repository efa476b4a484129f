import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  JsonSyntaxError,
  type Node,
  atPointer,
  copyText,
  listPathOf,
  parse,
  parseInSlices,
  pathOf,
  pretty,
  print,
  stepsTo,
  suggestName,
  templateReference,
  visibleJson,
  visiblePieces,
} from './index';

function at(root: Node, pointer: string): Node {
  const node = atPointer(root, pointer);
  assert.ok(node, `nothing at ${pointer}`);
  return node;
}

test('numbers keep every digit', () => {
  const text = '{"a":9007199254740993,"b":-0,"c":1.50,"d":1E+400,"e":0.1e-7}';
  assert.equal(print(parse(text)), text);
});

test('members keep their order and their doubles', () => {
  const text = '{"b":1,"a":2,"b":3,"10":4,"2":5,"__proto__":6}';
  assert.equal(print(parse(text)), text);
  assert.equal(copyText(at(parse(text), '/b')), '3');
});

test('texts are read with their escapes', () => {
  assert.equal(copyText(parse('"a\\u00e9\\n\\"\\\\\\/ \\ud83d\\ude00"')), 'aé\n"\\/ 😀');
  assert.equal(print(parse('"\\ud800"')), '"\\ud800"');
  assert.equal(print(parse('"x\ud800y"')), '"x\\ud800y"');
});

test('what is no JSON is refused with its place', () => {
  const cases: [string, number][] = [
    ['', 0],
    ['  ', 2],
    ['{', 1],
    ['[1,]', 3],
    ['{"a":1,}', 7],
    ['{"a" 1}', 5],
    ['[1 2]', 3],
    ['01', 1],
    ['-', 0],
    ['1.', 1],
    ['tru', 0],
    ['"a', 2],
    ['"a\nb"', 2],
    ['"\\x"', 0],
    ['1 2', 2],
    ['[1}', 2],
    ['{"a":1]', 6],
    ['nul', 0],
    ['NaN', 0],
    ["'a'", 0],
    ['\u00a01', 0],
  ];
  for (const [text, offset] of cases) {
    assert.throws(
      () => parse(text),
      (error: unknown) => error instanceof JsonSyntaxError && error.offset === offset,
      `${JSON.stringify(text)} at ${offset}`,
    );
    assert.throws(() => JSON.parse(text));
  }
});

test('a byte order mark is skipped', () => {
  assert.equal(print(parse('\ufeff[1]')), '[1]');
});

test('it takes what JSON.parse takes', () => {
  for (const text of ['null', ' true\r\n', '[]', '{}', '[[],{},[{}]]', '{"":{"":[false]}}', '1e5', '-12.5E-3']) {
    assert.deepEqual(JSON.parse(print(parse(text))), JSON.parse(text));
    assert.deepEqual(JSON.parse(pretty(parse(text))), JSON.parse(text));
  }
});

test('values know where they stand', () => {
  const text = ' {"a": [1, {"b": "x"}]} ';
  const root = parse(text);
  assert.equal(text.slice(root.start, root.end), '{"a": [1, {"b": "x"}]}');
  const inner = at(root, '/a/1');
  assert.equal(text.slice(inner.start, inner.end), '{"b": "x"}');
  assert.deepEqual(stepsTo(at(root, '/a/1/b')), ['a', 1, 'b']);
});

test('depth does not overflow', () => {
  const depth = 200_000;
  const text = '['.repeat(depth) + ']'.repeat(depth);
  const root = parse(text);
  assert.equal(print(root), text);
  assert.equal(pretty(root), text);
});

test('pretty printing is that of JSON.stringify', () => {
  const value = { a: [1, { b: null }], c: {}, d: [], e: 'x' };
  assert.equal(pretty(parse(JSON.stringify(value))), JSON.stringify(value, null, 2));
});

test('pointers', () => {
  const root = parse('{"a/b":{"~c":[10,20]},"":1}');
  assert.equal(copyText(at(root, '/a~1b/~0c/1')), '20');
  assert.equal(copyText(at(root, '/')), '1');
  assert.equal(atPointer(root, '/a~1b/~0c/01'), undefined);
  assert.equal(atPointer(root, '/x/y'), undefined);
});

test('paths', () => {
  const root = parse('{"data":{"orders":[{"id":1}]},"odd name":[2],"it\'s":{"a\\\\b\\n\\u202e":3},"größe":4,"2fa":5}');
  assert.equal(pathOf(root), '$');
  assert.equal(listPathOf(root), null);
  assert.equal(pathOf(at(root, '/data/orders/0/id')), '$.data.orders[0].id');
  assert.equal(listPathOf(at(root, '/data/orders/0/id')), '$.data.orders[*].id');
  assert.equal(pathOf(at(root, '/odd name/0')), "$['odd name'][0]");
  assert.equal(pathOf(at(root, "/it's/a\\b\n\u202e")), "$['it\\'s']['a\\\\b\\n\\u202e']");
  assert.equal(pathOf(at(root, '/größe')), "$['größe']");
  assert.equal(pathOf(at(root, '/2fa')), "$['2fa']");
});

test('template references', () => {
  assert.equal(templateReference('order.id'), '{{.variables.order.id}}');
  assert.equal(templateReference('odd name'), '{{index .variables "odd name"}}');
  assert.equal(templateReference('order.2nd.x'), '{{index .variables.order "2nd" "x"}}');
  assert.equal(templateReference('orders', [0, 'id']), '{{index .variables.orders 0 "id"}}');
  assert.equal(templateReference('order', ['customer', 'id']), '{{.variables.order.customer.id}}');
  assert.equal(templateReference('a"b'), '{{index .variables "a\\"b"}}');
});

test('names are suggested', () => {
  assert.equal(suggestName(['ticket', 'id']), 'ticket.id');
  assert.equal(suggestName(['data', 'orders', 0, 'id']), 'order.id');
  assert.equal(suggestName(['orders', 0]), 'order');
  assert.equal(suggestName(['customerId']), 'customer_id');
  assert.equal(suggestName(['HTTPStatus']), 'http_status');
  assert.equal(suggestName(['Größe (cm)']), 'gro_e_cm');
  assert.equal(suggestName([]), 'value');
  assert.equal(suggestName(['***']), 'value');
  assert.equal(suggestName(['ticket', 'id'], ['ticket.id']), 'ticket_id');
  assert.equal(suggestName(['ticket', 'id'], ['ticket']), 'ticket_id');
  assert.equal(suggestName(['ticket'], ['ticket.id']), 'ticket_2');
  assert.equal(suggestName(['conversation', 'id']), 'conversation_id');
});

test('hidden characters become visible', () => {
  assert.equal(visibleJson('a\u202eb"\\\n\u001b[31m'), 'a\\u202eb\\"\\\\\\n\\u001b[31m');
  assert.equal(visibleJson('\ud800 😀 \udc00'), '\\ud800 😀 \\udc00');
  assert.equal(visibleJson('\u{e0041}'), '\\udb40\\udc41');
  assert.deepEqual(visiblePieces('a\tb\r'), [
    { text: 'a\tb', escape: false },
    { text: '\\r', escape: true },
  ]);
  assert.deepEqual(visiblePieces('\u200f'), [{ text: '\\u200f', escape: true }]);
});

test('in slices as at once', async () => {
  const items = Array.from({ length: 10_000 }, (_, at) => ({ id: at, name: `n${at}`, tag: ['x'.repeat(400)] }));
  const text = JSON.stringify(items);
  assert.equal(print(parse(text)), text);
  assert.equal(print(await parseInSlices(text)), text);
  await assert.rejects(parseInSlices(`${text},`), JsonSyntaxError);
});
