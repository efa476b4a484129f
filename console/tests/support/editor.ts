// The code editor, as a person uses it.
import { expect, type Locator, type Page } from '@playwright/test';

/** The text of an open editor; the part in sight. */
export function editor(page: Page): Locator {
  return page.getByTestId('editor').getByRole('textbox');
}

/** Puts a text at the end of what is in the editor. */
export async function appendText(page: Page, text: string): Promise<void> {
  await editor(page).click();
  await page.keyboard.press('Control+End');
  await page.keyboard.insertText(text);
}

export async function replaceText(page: Page, text: string): Promise<void> {
  await editor(page).click();
  await page.keyboard.press('Control+a');
  await page.keyboard.insertText(text);
}

export async function save(page: Page): Promise<void> {
  await page.getByTestId('save').click();
  await expect(page.getByTestId('modified')).toBeHidden();
}
