// Fails a test for whatever goes wrong in the page without the test having said that it would.
import type { BrowserContext, Page } from '@playwright/test';

export interface Allowed {
  /** The end of the address without its query, or an expression. */
  url: string | RegExp;
  status: number;
}

export class Guard {
  private readonly problems: string[] = [];
  private readonly allowed: Allowed[] = [];
  private outage = false;

  /** The test expects that this address answers with this status. */
  allow(url: string | RegExp, status: number): void {
    this.allowed.push({ url, status });
  }

  /** From now on the gateway may be gone. */
  allowOutage(): void {
    this.outage = true;
  }

  /** Watches all pages of a context that has none yet. */
  async watch(context: BrowserContext): Promise<void> {
    context.on('page', (page) => this.listen(page));
    await context.exposeFunction('__violated', (what: string) => this.problems.push(`content security policy: ${what}`));
    await context.addInitScript(() => {
      const shared = window as unknown as { __violated: (what: string) => void };
      document.addEventListener('securitypolicyviolation', (event) => {
        shared.__violated(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
      });
    });
  }

  /** What went wrong so far. */
  found(): readonly string[] {
    return this.problems;
  }

  private listen(page: Page): void {
    page.on('pageerror', (error) => this.problems.push(`error in the page: ${error.stack ?? error.message}`));
    page.on('console', (message) => {
      if (message.type() !== 'error') return;
      const text = message.text();
      const { url } = message.location();
      const status = /status of (\d+)/.exec(text)?.[1];
      if (status !== undefined && this.isAllowed(url, Number(status))) return;
      if (/net::ERR_/.test(text) && this.outage) return;
      this.problems.push(`console: ${text} (${url})`);
    });
    page.on('requestfailed', (request) => {
      const why = request.failure()?.errorText ?? '';
      // A request that the page itself gives up.
      if (why === 'net::ERR_ABORTED' || this.outage) return;
      this.problems.push(`request failed: ${request.method()} ${request.url()}: ${why}`);
    });
    page.on('response', (response) => {
      if (response.status() < 400 || this.isAllowed(response.url(), response.status())) return;
      if (this.outage && response.status() >= 500) return;
      this.problems.push(`answer ${response.status()}: ${response.request().method()} ${response.url()}`);
    });
  }

  private isAllowed(url: string, status: number): boolean {
    const bare = url.split(/[?#]/)[0] ?? '';
    return this.allowed.some(
      (rule) => rule.status === status && (typeof rule.url === 'string' ? bare.endsWith(rule.url) : rule.url.test(bare)),
    );
  }
}
