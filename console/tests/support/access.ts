// What makes a page usable by everybody: looked at by axe, by its width, by keyboard.
import AxeBuilder from '@axe-core/playwright';
import { expect, type Locator, type Page, type TestInfo } from '@playwright/test';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const schemes = ['light', 'dark'] as const;
const sizes = { desktop: { width: 1280, height: 860 }, phone: { width: 360, height: 740 } } as const;

/** Shows a page in both sizes, each in both schemes, without loading it again. */
export async function inEveryLook(page: Page, look: (size: keyof typeof sizes, scheme: string) => Promise<void>): Promise<void> {
  for (const size of ['desktop', 'phone'] as const) {
    await page.setViewportSize(sizes[size]);
    for (const colorScheme of schemes) {
      await page.emulateMedia({ colorScheme });
      await look(size, colorScheme);
    }
  }
}

/** Expects that everybody can use the page: axe calls nothing grave, and on a phone it scrolls in one direction only. */
export async function expectUsable(page: Page, size: keyof typeof sizes, scheme: string): Promise<void> {
  expect(await graveFaults(page), `${size}, ${scheme}`).toEqual([]);
  if (size === 'phone') expect(await overflow(page), `${scheme}: nothing is wider than the page`).toEqual([]);
}

const images = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../../docs/images');

/** Where a picture goes: into the documents where those are asked for (`CONSOLE_SCREENSHOTS=1`). */
export function picture(name: string, testInfo: TestInfo): string {
  if (process.env.CONSOLE_SCREENSHOTS !== '1') return testInfo.outputPath(name);
  mkdirSync(images, { recursive: true });
  return path.join(images, name);
}

/** What axe calls serious or critical, with the first places of each. */
export async function graveFaults(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => {
      const places = nodes.slice(0, 3).map(({ target, failureSummary }) => `${target.join(' ')}: ${failureSummary}`);
      return `${id} (${nodes.length}): ${places.join('; ')}`;
    });
}

/** What is wider than the page; nothing where the page does not scroll sideways. */
function overflow(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const most = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= most) return [];
    const wide = [...document.querySelectorAll('body *')].filter((element) => element.getBoundingClientRect().right > most + 1);
    return wide.slice(0, 8).map((element) => `${element.tagName} ${element.className}`);
  });
}

/** Presses Tab until the place has the focus; whatever has it on the way shows it. */
export async function tabTo(page: Page, wanted: Locator): Promise<void> {
  for (let presses = 0; presses < 80; presses += 1) {
    await page.keyboard.press('Tab');
    const unseen = await page.evaluate(() => {
      let active = document.activeElement;
      while (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement;
      if (!active || active === document.body) return null;
      const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(active);
      const shown = (outlineStyle !== 'none' && outlineWidth !== '0px') || boxShadow !== 'none';
      return shown ? null : `${active.tagName} ${active.className}`;
    });
    expect(unseen, 'what has the focus shows it').toBeNull();
    if (await wanted.evaluate((element) => element === document.activeElement)) return;
  }
  throw new Error('Tab does not lead there');
}
