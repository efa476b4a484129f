// Definition: files, their text, problems as one types, branches and specs.
import { expect, test } from './support/fixtures';
import { appendText, editor, replaceText } from './support/editor';
import { addKey, fetchCase, storeNote } from './support/project';

test('files are listed by kind and found by name', async ({ demo, page, visit }) => {
  await visit(demo, '#/definition');
  await expect(page.getByRole('heading', { name: 'Actions' })).toBeVisible();
  await expect(page.getByRole('heading', { name: 'Connections' })).toBeVisible();
  await page.getByTestId('file-search').fill('ticket');
  await expect(page.getByTestId('file-actions/create_support_ticket.yaml')).toBeVisible();
  await expect(page.getByTestId('file-actions/store_hours.yaml')).toBeHidden();
  await page.getByTestId('file-actions/create_support_ticket.yaml').click();
  await expect(page).toHaveURL(/#\/definition\/actions\/create_support_ticket\.yaml$/);
  await expect(editor(page)).toContainText('name: create_support_ticket');
});

test('secrets are in no list', async ({ demo, page, visit }) => {
  await visit(demo, '#/definition');
  await expect(page.getByTestId('file-variables.toml')).toBeVisible();
  await page.getByTestId('file-search').fill('secret');
  await expect(page.getByText('No file of this name.')).toBeVisible();
});

test('an address leads to a line', async ({ demo, page, visit }) => {
  await visit(demo, '#/definition/actions/create_support_ticket.yaml?line=12&column=3');
  await expect(editor(page)).toBeFocused();
  await expect(page.getByTestId('editor').locator('.cm-lineNumbers .cm-activeLineGutter')).toHaveText('12');
});

test('a mistake is told while it is typed, and nothing is written', async ({ page, visit, project, serve }) => {
  project.write('actions/store_note.yaml', storeNote);
  const gateway = await serve(project.folder, { edit: true });
  await visit(gateway, '#/definition/actions/store_note.yaml');
  await expect(page.getByTestId('problem-count')).toHaveText('0 errors, 0 warnings');
  await appendText(page, 'nonsense: true\n');
  await expect(page.getByTestId('definition-problem')).toContainText('nonsense');
  await expect(page.getByTestId('definition-problem')).toContainText('error');
  expect(project.read('actions/store_note.yaml')).toBe(storeNote);
});

test('a text with errors is not saved', async ({ page, visit, project, serve, guard }) => {
  guard.allow('/v1/definitions/actions/store_note.yaml', 422);
  project.write('actions/store_note.yaml', storeNote);
  const gateway = await serve(project.folder, { edit: true });
  await visit(gateway, '#/definition/actions/store_note.yaml');
  await appendText(page, 'nonsense: true\n');
  await page.getByTestId('save').click();
  await expect(page.getByTestId('definition-said')).not.toBeEmpty();
  await expect(page.getByTestId('modified')).toBeVisible();
  await expect(editor(page)).toContainText('nonsense: true');
  expect(project.read('actions/store_note.yaml')).toBe(storeNote);
});

test('without --edit a text can be read and no more', async ({ page, visit, project, serve }) => {
  project.write('actions/fetch_case.yaml', fetchCase);
  const gateway = await serve(project.folder);
  await visit(gateway, '#/definition/actions/fetch_case.yaml');
  await expect(page.getByTestId('read-only')).toBeVisible();
  await expect(editor(page)).toContainText('name: fetch_case');
  await expect(page.getByTestId('save')).toBeHidden();
  await expect(page.getByTestId('new-action')).toBeHidden();
  await editor(page).click();
  await page.keyboard.type('x');
  await expect(editor(page)).toContainText('name: fetch_case');
  await expect(page.getByTestId('modified')).toBeHidden();
});

test('a key that is not an admin’s reads no definitions', async ({ page, project, serve, guard }) => {
  guard.allow('/v1/definitions', 403);
  const key = addKey(project, 'caller');
  const gateway = await serve(project.folder);
  await page.goto(`${gateway.consoleUrl}#key=${key}`);
  await page.getByTestId('nav-definition').click();
  await expect(page.getByTestId('definitions-refused')).toHaveText(/^You need an admin key \(admin = true\) to see this\.Use another key$/);
});

test('the editor has its styles in spite of the policy', async ({ demo, page, visit }) => {
  await visit(demo, '#/definition/actions/store_hours.yaml');
  await expect(editor(page)).toBeVisible();
  const style = await page.getByTestId('editor').locator('.cm-editor').evaluate((element) => getComputedStyle(element).display);
  expect(style).toBe('flex');
  const gutter = await page.getByTestId('editor').locator('.cm-gutters').evaluate((element) => getComputedStyle(element).display);
  expect(gutter).toBe('flex');
  // The highlighter has coloured something.
  const colours = await page
    .getByTestId('editor')
    .locator('.cm-line span')
    .evaluateAll((spans) => new Set(spans.map((span) => getComputedStyle(span).color)).size);
  expect(colours).toBeGreaterThan(1);
});

test('Tab leaves the editor', async ({ page, visit, project, serve }) => {
  project.write('actions/fetch_case.yaml', fetchCase);
  const gateway = await serve(project.folder, { edit: true });
  await visit(gateway, '#/definition/actions/fetch_case.yaml');
  await editor(page).click();
  await page.keyboard.press('Tab');
  await expect(editor(page)).not.toBeFocused();
  await expect(page.getByTestId('modified')).toBeHidden();
});

test('branches of a body and specs of providers are shown', async ({ demo, page, visit }) => {
  await visit(demo, '#/definition/actions/create_support_ticket.yaml');
  await page.getByTestId('tab-branches').click();
  await expect(page.getByTestId('branch').first().or(page.getByText('no body template'))).toBeVisible();
  await page.getByTestId('tab-specs').click();
  await page.getByTestId('spec-openai-chat').click();
  await expect(page.getByTestId('specs')).toContainText('create_support_ticket');
  await expect(page.getByTestId('specs-fates')).toContainText('the model does not see it; the gateway still checks it');
});

test('an output variable of the text is taken over in the next call', async ({ page, visit, project, serve }) => {
  project.write('actions/fetch_case.yaml', fetchCase);
  const gateway = await serve(project.folder, { edit: true });
  await visit(gateway, '#/definition/actions/fetch_case.yaml');
  await replaceText(page, `${fetchCase}output_variables:\n  - {name: case.id, path: $.id, expose: true}\n`);
  await page.keyboard.press('Control+s');
  await expect(page.getByTestId('modified')).toBeHidden();
  await page.getByTestId('definition-try').click();
  await page.getByTestId('field-/name').fill('plain');
  await page.getByTestId('send').click();
  await expect(page.getByTestId('model-variables')).toContainText('case.id');
});

test('Try goes back to the last action, and from a definition to its action', async ({ demo, page, visit }) => {
  await visit(demo, '#/try/development/store_hours');
  await expect(page.getByTestId('action-store_hours')).toHaveAttribute('aria-current', 'true');
  await page.getByTestId('nav-health').click();
  await expect(page.getByTestId('health-screen')).toBeVisible();
  await page.getByTestId('nav-try').click();
  await expect(page).toHaveURL(/#\/try\/development\/store_hours$/);

  await page.getByTestId('nav-definition').click();
  await page.getByTestId('file-actions/create_support_ticket.yaml').click();
  await expect(editor(page)).toContainText('name: create_support_ticket');
  await page.getByTestId('nav-try').click();
  await expect(page).toHaveURL(/#\/try\/development\/create_support_ticket$/);
});

test('an action goes by the name that its text gives it', async ({ page, visit, project, serve }) => {
  project.write('actions/fetch_case.yaml', fetchCase.replace('name: fetch_case', 'name: read_case'));
  const gateway = await serve(project.folder);
  await visit(gateway, '#/definition/actions/fetch_case.yaml');
  await page.getByTestId('tab-specs').click();
  await expect(page.getByTestId('specs')).toContainText('read_case');
  await page.getByTestId('definition-try').click();
  await expect(page).toHaveURL(/#\/try\/development\/read_case$/);
});

test('a bound parameter says that the action binds it', async ({ page, visit, project, serve }) => {
  const text = fetchCase.replace('path: /case', 'path: /case/{{.parameters.phone}}/{{.parameters.name}}');
  project.write('actions/fetch_case.yaml', `${text}bind: {phone: "{{.variables.caller_phone}}"}\n`);
  const gateway = await serve(project.folder);
  await visit(gateway, '#/definition/actions/fetch_case.yaml');
  const of = (name: string) => page.getByTestId('reference').filter({ hasText: `.parameters.${name}` });
  await expect(of('phone')).toContainText('bound by the action');
  await expect(of('name')).toContainText('argument: nothing is typed in Try');
});

test('the find bar has the colours of the page', async ({ demo, page, visit }) => {
  await visit(demo, '#/definition/actions/store_hours.yaml');
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await editor(page).click();
    await page.keyboard.press('Control+f');
    const surface = await page.locator('.header').evaluate((header) => getComputedStyle(header).backgroundColor);
    for (const part of ['.cm-textfield', '.cm-button']) {
      const { color, image } = await page
        .getByTestId('editor')
        .locator(`.cm-search ${part}`)
        .first()
        .evaluate((element) => {
          const { backgroundColor, backgroundImage } = getComputedStyle(element);
          return { color: backgroundColor, image: backgroundImage };
        });
      expect([color, image]).toEqual([surface, 'none']);
    }
    await page.keyboard.press('Escape');
  }
});
