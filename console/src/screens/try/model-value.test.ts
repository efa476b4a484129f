import assert from 'node:assert/strict';
import { test } from 'node:test';
import { atPointer, type Node, parse } from '../../json/index';
import { conflictOf } from './exposure';
import { isMasked, samePlace, seenByModel } from './model-value';

const said = parse('{"id":9007199254740993,"customer":{"id":"***"},"list":[{"status":"shipped"}],"ok":true}');

function at(pointer: string): Node {
  const node = atPointer(said, pointer);
  if (!node) throw new Error(pointer);
  return node;
}

const result = (body: string) => parse(`{"body":${body}}`);

test('a value of what the model gets is found in the answer of the upstream', () => {
  const body = parse('{"list":[{"status":"shipped"}],"more":1}');
  const status = atPointer(body, '/list/0/status');
  assert.equal(status && samePlace(status, said), at('/list/0/status'));
  const more = atPointer(body, '/more');
  assert.equal(more && samePlace(more, said), null);
});

test('the model sees a value that stands in what it gets', () => {
  assert.equal(seenByModel(at('/id'), result('{"id":9007199254740993}'), []), true);
  assert.equal(seenByModel(at('/id'), result('{"id":9007199254740992}'), []), false);
  assert.equal(seenByModel(at('/list/0/status'), result('["shipped"]'), []), true, 'elsewhere');
  assert.equal(seenByModel(at('/list/0/status'), result('"It is shipped."'), []), true, 'in a text');
  assert.equal(seenByModel(at('/ok'), result('{"done":true}'), []), false, 'a word is everywhere');
  assert.equal(seenByModel(at('/id'), null, []), false);
});

test('what is hidden is not seen', () => {
  assert.equal(isMasked(at('/customer/id'), ['/customer']), true);
  assert.equal(isMasked(at('/id'), ['/customer']), false);
  assert.equal(seenByModel(at('/customer/id'), result('{"customer":{"id":"***"}}'), ['/customer/id']), false);
});

test('two variables of one value do not contradict each other unseen', () => {
  const outputs = [{ name: 'order.id', path: '$.id' }];
  const warning = (expose: boolean, exposed: string[], hidden: boolean) =>
    conflictOf({ name: 'id', path: '$.id', expose }, outputs, new Set(exposed), hidden);
  assert.match(warning(false, ['order.id'], false) ?? '', /^order\.id has the same path and shows/);
  assert.match(warning(true, [], true) ?? '', /^order\.id has the same path and hides/);
  assert.equal(warning(true, ['order.id'], false), null);
  assert.equal(warning(true, [], false), null);
});
