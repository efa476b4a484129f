import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type DiskFile, FileStore, type Saving } from './file-store';

interface Bench {
  store: FileStore;
  disk: DiskFile | null;
  draft: string | null;
  written: [string, string | null][];
  answer: Saving | null;
}

function bench(text: string | null): Bench {
  const it: Bench = {
    disk: text === null ? null : { text, version: 'v1' },
    draft: null,
    written: [],
    answer: null,
    store: new FileStore({
      read: async () => it.disk,
      write: async (written, version) => {
        it.written.push([written, version]);
        if (it.answer !== null) return it.answer;
        if (version !== (it.disk?.version ?? null)) return { kind: 'changed', disk: it.disk };
        it.disk = { text: written, version: `v${it.written.length + 1}` };
        return { kind: 'saved', version: it.disk.version, problems: [], refused: null };
      },
      draft: () => it.draft,
      keepDraft: (draft) => {
        it.draft = draft;
        return true;
      },
    }),
  };
  return it;
}

test('what is typed is saved over the version it began from', async () => {
  const it = bench('a\r\nb\r\n');
  await it.store.open();
  assert.equal(it.store.text.value, 'a\nb\n');
  assert.equal(it.store.modified.value, false);
  it.store.type('a\nx\nb\n');
  assert.ok(it.draft);
  assert.equal(await it.store.save(), true);
  assert.deepEqual(it.written, [['a\r\nx\r\nb\r\n', 'v1']]);
  assert.equal(it.store.modified.value, false);
  assert.equal(it.draft, null);
});

test('a draft comes back after a reload of the page', async () => {
  const it = bench('a\n');
  await it.store.open();
  it.store.type('mine\n');
  const again = bench('a\n');
  again.draft = it.draft;
  await again.store.open();
  assert.equal(again.store.text.value, 'mine\n');
  assert.equal(again.store.conflict.value, null);
  const changed = bench('other\n');
  changed.disk = { text: 'other\n', version: 'v9' };
  changed.draft = it.draft;
  await changed.store.open();
  assert.equal(changed.store.text.value, 'mine\n');
  assert.equal(changed.store.conflict.value?.disk?.version, 'v9');
});

test('a draft that is what the disk says is none', async () => {
  const it = bench('mine\n');
  it.draft = JSON.stringify({ base: { text: 'a\n', version: 'v0' }, text: 'mine\n' });
  await it.store.open();
  assert.equal(it.draft, null);
  assert.equal(it.store.modified.value, false);
});

test('a change on disk is shown where nothing is typed', async () => {
  const it = bench('a\n');
  await it.store.open();
  const { value } = it.store.revision;
  it.disk = { text: 'b\n', version: 'v2' };
  await it.store.refresh();
  assert.equal(it.store.text.value, 'b\n');
  assert.equal(it.store.revision.value, value + 1);
  assert.equal(it.store.conflict.value, null);
});

test('a change on disk leaves what is typed', async () => {
  const it = bench('a\n');
  await it.store.open();
  it.store.type('mine\n');
  it.disk = { text: 'theirs\n', version: 'v2' };
  await it.store.refresh();
  assert.equal(it.store.text.value, 'mine\n');
  assert.equal(it.store.conflict.value?.disk?.text, 'theirs\n');
  assert.equal(await it.store.save(), false);
  assert.equal(await it.store.save(it.store.conflict.value), true);
  assert.deepEqual(it.written[1], ['mine\n', 'v2']);
  assert.equal(it.store.conflict.value, null);
});

test('the version on disk can be taken', async () => {
  const it = bench('a\n');
  await it.store.open();
  it.store.type('mine\n');
  it.disk = { text: 'theirs\n', version: 'v2' };
  await it.store.save();
  it.store.takeDisk();
  assert.equal(it.store.text.value, 'theirs\n');
  assert.equal(it.store.modified.value, false);
  assert.equal(it.draft, null);
});

test('a file that is gone can be made again', async () => {
  const it = bench('a\n');
  await it.store.open();
  it.store.type('mine\n');
  it.disk = null;
  await it.store.refresh();
  assert.deepEqual(it.store.conflict.value, { disk: null });
  assert.equal(await it.store.save(it.store.conflict.value), true);
  assert.deepEqual(it.written, [['mine\n', null]]);
});

test('a save that is not served is told', async () => {
  const it = bench('a\n');
  await it.store.open();
  it.store.type('b\n');
  it.answer = { kind: 'saved', version: 'v2', problems: [], refused: 'reload refused: the project has errors' };
  assert.equal(await it.store.save(), true);
  assert.equal(it.store.modified.value, false);
  assert.deepEqual(it.store.said.value, {
    kind: 'warn',
    text: 'Saved, but the gateway still uses the earlier version: reload refused: the project has errors',
  });
});

test('what would be invalid stays typed', async () => {
  const it = bench('a\n');
  await it.store.open();
  it.store.type('bad\n');
  it.answer = { kind: 'invalid', problems: [], detail: 'errors' };
  assert.equal(await it.store.save(), false);
  assert.equal(it.store.text.value, 'bad\n');
  assert.equal(it.store.modified.value, true);
  assert.ok(it.draft);
});

test('what is typed while it is saved stays a change', async () => {
  const it = bench('a\n');
  await it.store.open();
  it.store.type('one\n');
  const saving = it.store.save();
  it.store.type('two\n');
  await saving;
  assert.equal(it.store.text.value, 'two\n');
  assert.equal(it.store.modified.value, true);
  assert.ok(it.draft);
  assert.equal(await it.store.save(), true);
  assert.equal(it.disk?.text, 'two\n');
});

test('a file that is not there', async () => {
  const it = bench(null);
  await it.store.open();
  assert.equal(it.store.state.value, 'missing');
  it.disk = { text: 'new\n', version: 'v1' };
  await it.store.refresh();
  assert.equal(it.store.state.value, 'ready');
  assert.equal(it.store.text.value, 'new\n');
});
