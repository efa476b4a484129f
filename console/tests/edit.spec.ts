// Editing: what is typed in several places at once is never lost without a choice. And the whole way of a newcomer.
import type { Page } from '@playwright/test';
import { expect, test } from './support/fixtures';
import { appendText, editor, replaceText, save } from './support/editor';
import { startDemo } from './support/gateway';
import { fetchCase } from './support/project';

const file = 'actions/fetch_case.yaml';
const place = `#/definition/${file}`;

test('a save writes byte for byte what is in the editor', async ({ page, visit, project, serve }) => {
  const text = `# A comment with an umlaut: ä\n\n${fetchCase}\n# last, without a line end`;
  project.write(file, text);
  const gateway = await serve(project.folder, { edit: true });
  await visit(gateway, place);
  await appendText(page, ' …');
  await save(page);
  expect(project.read(file)).toBe(`${text} …`);
});

test('line ends of another system stay', async ({ page, visit, project, serve }) => {
  const text = fetchCase.replaceAll('\n', '\r\n');
  project.write(file, text);
  const gateway = await serve(project.folder, { edit: true });
  await visit(gateway, place);
  await appendText(page, '# more\n');
  await save(page);
  expect(project.read(file)).toBe(`${text}# more\r\n`);
});

test('two tabs and an editor on disk lose no change', async ({ page, context, visit, project, serve, guard }) => {
  guard.allow(`/v1/definitions/${file}`, 412);
  project.write(file, fetchCase);
  const gateway = await serve(project.folder, { edit: true });
  const other = await context.newPage();
  await visit(gateway, place);
  await visit(gateway, place, other);
  await expect(editor(page)).toContainText('name: fetch_case');
  await expect(editor(other)).toContainText('name: fetch_case');

  // Nothing is typed in the other tab: it takes what the first one saves.
  await appendText(page, '# by the first tab\n');
  await save(page);
  await expect(editor(other)).toContainText('# by the first tab');

  // Both have typed. The first one saves; the other one keeps what it has, and is told.
  await appendText(other, '# by the other tab\n');
  await appendText(page, '# again by the first tab\n');
  await save(page);
  await expect(other.getByTestId('conflict')).toBeVisible();
  await expect(editor(other)).toContainText('# by the other tab');
  await expect(other.getByTestId('diff')).toContainText('# again by the first tab');
  await expect(other.getByTestId('diff')).toContainText('# by the other tab');
  expect(project.read(file)).toContain('# again by the first tab');
  expect(project.read(file)).not.toContain('# by the other tab');

  // A save that does not choose writes nothing.
  await other.getByTestId('save').click();
  await expect(other.getByTestId('conflict')).toBeVisible();
  expect(project.read(file)).toContain('# again by the first tab');

  // Meanwhile somebody writes on disk: what was shown is not what would be overwritten.
  project.write(file, `${fetchCase}# by an editor on disk\n`);
  await expect(other.getByTestId('diff')).toContainText('# by an editor on disk');
  await other.getByTestId('conflict-keep').click();
  await expect(other.getByTestId('conflict')).toBeHidden();
  expect(project.read(file)).toContain('# by the other tab');
  await expect(editor(page)).toContainText('# by the other tab');

  // And the other way round: the version on disk is taken.
  await appendText(page, '# given up\n');
  project.write(file, `${fetchCase}# the last word\n`);
  await expect(page.getByTestId('conflict')).toBeVisible();
  await page.getByTestId('conflict-take').click();
  await expect(editor(page)).toContainText('# the last word');
  await expect(editor(page)).not.toContainText('# given up');
  expect(project.read(file)).toBe(`${fetchCase}# the last word\n`);
});

test('a save that comes too late is refused, whatever the page knew', async ({ page, visit, project, serve, guard }) => {
  guard.allow(`/v1/definitions/${file}`, 412);
  project.write(file, fetchCase);
  const gateway = await serve(project.folder, { edit: true });
  await visit(gateway, place);
  await expect(editor(page)).toContainText('name: fetch_case');
  // The page hears of nothing by itself.
  await page.route(`**/v1/definitions/${file}`, (route) =>
    route.request().method() === 'GET' ? route.abort('aborted') : route.continue(),
  );
  await appendText(page, '# typed\n');
  project.write(file, `${fetchCase}# on disk\n`);
  await page.getByTestId('save').click();
  await expect(page.getByTestId('conflict')).toBeVisible();
  expect(project.read(file)).toBe(`${fetchCase}# on disk\n`);
  await expect(editor(page)).toContainText('# typed');
});

test('a file that goes from the disk leaves what was typed', async ({ page, visit, project, serve, guard }) => {
  guard.allow(`/v1/definitions/${file}`, 404);
  guard.allow(`/v1/definitions/${file}`, 412);
  guard.allow(/\/v1\/actions\/fetch_case/, 404);
  project.write(file, fetchCase);
  const gateway = await serve(project.folder, { edit: true });
  await visit(gateway, place);
  await appendText(page, '# typed\n');
  project.remove(file);
  await expect(page.getByTestId('conflict')).toContainText('gone');
  await expect(editor(page)).toContainText('# typed');
  await page.getByTestId('conflict-keep').click();
  await expect(page.getByTestId('modified')).toBeHidden();
  expect(project.read(file)).toBe(`${fetchCase}# typed\n`);
});

test('who leaves with something typed is asked, and a draft stays', async ({ page, visit, project, serve }) => {
  project.write(file, fetchCase);
  const gateway = await serve(project.folder, { edit: true });
  await visit(gateway, place);
  await appendText(page, '# a draft\n');
  await page.getByTestId('nav-check').click();
  await expect(page.getByTestId('leave-dialog')).toBeVisible();
  await page.getByRole('dialog', { name: 'Unsaved changes' }).waitFor();
  await page.keyboard.press('Escape');
  await expect(page.getByTestId('leave-dialog')).toBeHidden();
  await expect(editor(page)).toContainText('# a draft');
  await page.getByTestId('nav-check').click();
  await page.getByTestId('leave-keep').click();
  await expect(page.getByTestId('check-screen')).toBeVisible();
  await page.getByTestId('nav-definition').click();
  await page.getByTestId(`file-${file}`).click();
  await expect(editor(page)).toContainText('# a draft');
  await expect(page.getByTestId('modified')).toBeVisible();
  expect(project.read(file)).toBe(fetchCase);
});

test('Discard asks first', async ({ page, visit, project, serve }) => {
  project.write(file, fetchCase);
  const gateway = await serve(project.folder, { edit: true });
  await visit(gateway, place);
  await appendText(page, '# typed\n');
  await page.getByTestId('discard').click();
  await expect(page.getByRole('dialog', { name: `Discard your changes to ${file}?` })).toBeVisible();
  await page.getByTestId('discard-cancel').click();
  await expect(editor(page)).toContainText('# typed');
  await page.getByTestId('discard').click();
  await page.getByTestId('discard-confirm').click();
  await expect(page.getByTestId('modified')).toBeHidden();
  await expect(editor(page)).not.toContainText('# typed');
  // What the dialog says of Undo.
  await editor(page).click();
  await page.keyboard.press('Control+z');
  await expect(editor(page)).toContainText('# typed');
});

test('"Try it" with something typed asks, and Try shows the saved version', async ({ page, visit, project, serve }) => {
  project.write(file, fetchCase);
  const gateway = await serve(project.folder, { edit: true });
  await visit(gateway, place);
  await appendText(page, '# typed\n');
  await page.getByTestId('definition-try').click();
  await expect(page.getByTestId('leave-dialog')).toContainText('The gateway does not use it until you save it.');
  await page.getByTestId('leave-keep').click();
  await expect(page.getByTestId('field-/name')).toBeVisible();
  expect(project.read(file)).toBe(fetchCase);
});

test('a save that the gateway does not serve says so', async ({ page, visit, project, serve }) => {
  project.write(file, fetchCase);
  const gateway = await serve(project.folder, { edit: true });
  await page.route(`**/v1/definitions/${file}`, async (route) => {
    if (route.request().method() !== 'PUT') return route.continue();
    const response = await route.fetch();
    return route.fulfill({ response, json: { ...(await response.json()), refused: 'the project has errors' } });
  });
  await visit(gateway, place);
  await appendText(page, '# typed\n');
  await save(page);
  await expect(page.getByTestId('definition-said')).toHaveText(
    'Saved, but the gateway still uses the earlier version: the project has errors',
  );
});

test('a name that is taken makes no second action', async ({ page, visit, project, serve }) => {
  project.write(file, fetchCase);
  const gateway = await serve(project.folder, { edit: true });
  await visit(gateway, '#/definition');
  await page.getByTestId('new-action').click();
  await page.getByTestId('new-action-name').fill('fetch_case');
  await page.getByTestId('new-action-description').fill('Another one.');
  await page.getByTestId('new-action-make').click();
  await expect(page.getByTestId('new-action-dialog')).toContainText('There is an action of this name.');
  expect(project.read(file)).toBe(fetchCase);
});

test('a newcomer makes an action, tries it and keeps a value of its answer', async ({ page, visit, leftovers }) => {
  const begun = Date.now();
  const demo = await startDemo();
  leftovers.push(() => demo.stop());
  await visit(demo);
  await page.getByTestId('nav-definition').click();
  await page.getByTestId('new-action').click();
  await page.getByLabel('Name').fill('find_parcel');
  await page.getByLabel('What it does and when to use it').fill('Says where a parcel is. Use it when the caller asks.');
  await page.getByLabel('Connection').selectOption('orders');
  await page.getByLabel('Path', { exact: true }).fill('/orders');
  await page.getByRole('button', { name: 'Create action' }).click();
  await expect(page.getByTestId('new-action-made')).toContainText('Action created.');

  const text = await textOf(page, demo.origin);
  await replaceText(page, text.replaceAll('id:', 'order_number:').replace('[id]', '[order_number]'));
  await save(page);
  await page.getByTestId('definition-try').click();
  await page.getByTestId('field-/order_number').fill('ORD-12345');
  await expect(page.getByTestId('preview-url')).toContainText('/orders?order_number=ORD-12345');
  await page.getByTestId('send').click();
  await expect(page.getByTestId('result-status')).toHaveText('success');

  const row = page.getByTestId('upstream').getByTestId('tree-row').filter({ hasText: 'tracking_number' });
  await row.click();
  await page.getByTestId('make-output').click();
  await page.getByTestId('output-name').fill('parcel.tracking');
  await expect(page.getByTestId('output-expose')).toBeChecked();
  await page.getByTestId('output-insert').click();
  await expect(page.getByTestId('output-answer')).toContainText('Added. It applies from the next call.');
  await page.getByTestId('dialog-close').click();
  expect(await textOf(page, demo.origin)).toMatch(/name: parcel\.tracking/);

  await page.getByTestId('new-conversation').click();
  await page.getByTestId('send').click();
  await expect(page.getByTestId('model-variables')).toContainText('parcel.tracking');
  console.log(`the whole way of a newcomer: ${((Date.now() - begun) / 1000).toFixed(1)} s`);
});

/** The text of the newcomer's action as the gateway has it. */
async function textOf(page: Page, origin: string): Promise<string> {
  const answer = await page.request.get(`${origin}/v1/definitions/actions/find_parcel.yaml`);
  const { text } = (await answer.json()) as { text: string };
  return text;
}
