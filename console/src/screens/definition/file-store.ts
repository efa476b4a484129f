// One definition file that is open: what is on disk, what is typed, and what happens where these part ways. What is typed
// is lost by nothing but the choice to give it up.
import { batch, computed, signal } from '@preact/signals';
import type { Problem } from '../../types';
import { toEditor, toFile } from './line-ends';

export interface DiskFile {
  text: string;
  version: string;
}

/** What a save came to. */
export type Saving =
  | { kind: 'saved'; version: string; problems: Problem[]; refused: string | null }
  | { kind: 'changed'; disk: DiskFile | null }
  | { kind: 'invalid'; problems: Problem[]; detail: string };

/** What the file needs of the gateway and of the tab. */
export interface FileAccess {
  /** Null where there is no such file. */
  read: (signal?: AbortSignal) => Promise<DiskFile | null>;
  /** Replaces the version, or makes the file where it is null. Throws where there is no answer or another refusal. */
  write: (text: string, version: string | null) => Promise<Saving>;
  draft: () => string | null;
  keepDraft: (draft: string | null) => boolean;
}

interface Draft {
  base: DiskFile;
  text: string;
}

export interface Said {
  kind: 'ok' | 'error' | 'warn';
  text: string;
}

/** What is said of a text that is saved but not served. */
export function refusedText(refused: string): string {
  return `Saved, but the gateway still uses the earlier version: ${refused}`;
}

function parseDraft(kept: string | null): Draft | null {
  if (kept === null) return null;
  try {
    const { base, text } = JSON.parse(kept) as Partial<Draft>;
    const whole = typeof text === 'string' && typeof base?.text === 'string' && typeof base.version === 'string';
    return whole ? { base: { text: base.text, version: base.version }, text } : null;
  } catch {
    return null;
  }
}

export class FileStore {
  /** What the typed text began from; null before it is known. */
  readonly base = signal<DiskFile | null>(null);
  /** The text of the editor. */
  readonly text = signal('');
  /** Counts how often the text was replaced by something else than typing. */
  readonly revision = signal(0);
  /** What is on disk instead of `base`, while something else is typed. */
  readonly conflict = signal<{ disk: DiskFile | null } | null>(null);
  readonly state = signal<'loading' | 'ready' | 'missing'>('loading');
  readonly saving = signal(false);
  readonly problems = signal<Problem[] | null>(null);
  readonly said = signal<Said | null>(null);
  readonly modified = computed(() => this.base.value !== null && toEditor(this.base.value.text) !== this.text.value);

  private writes = 0;

  constructor(private readonly access: FileAccess) {}

  /** The typed text as the file would hold it. */
  fileText(): string {
    const base = this.base.peek();
    return base === null ? this.text.peek() : toFile(this.text.peek(), base.text);
  }

  /** Reads the file, and what was typed into it before. */
  async open(signal?: AbortSignal): Promise<void> {
    const disk = await this.access.read(signal);
    const draft = parseDraft(this.access.draft());
    batch(() => {
      if (draft !== null && draft.text !== (disk === null ? null : toEditor(disk.text))) {
        this.base.value = draft.base;
        this.replaceText(draft.text);
        this.state.value = 'ready';
        this.said.value = { kind: 'warn', text: 'These are changes that were typed before and are not saved.' };
        if (disk?.version !== draft.base.version) this.conflict.value = { disk };
      } else if (disk === null) {
        this.state.value = 'missing';
      } else {
        this.access.keepDraft(null);
        this.take(disk);
      }
    });
  }

  /** Looks whether the file has changed on disk. */
  async refresh(signal?: AbortSignal): Promise<void> {
    if (this.state.peek() === 'loading' || this.saving.peek()) return;
    const { writes } = this;
    const disk = await this.access.read(signal);
    // An answer from before a save says nothing.
    if (writes !== this.writes || this.saving.peek()) return;
    const base = this.base.peek();
    batch(() => {
      if (disk === null) {
        if (!this.modified.peek()) this.state.value = 'missing';
        else if (this.conflict.peek()?.disk !== null) this.conflict.value = { disk: null };
        return;
      }
      if (disk.version === base?.version) {
        this.conflict.value = null;
        return;
      }
      if (!this.modified.peek() || this.text.peek() === toEditor(disk.text)) {
        const first = base === null || this.state.peek() === 'missing';
        this.take(disk);
        this.access.keepDraft(null);
        if (!first) this.said.value = { kind: 'ok', text: 'The file has changed on disk. This is its new text.' };
      } else if (this.conflict.peek()?.disk?.version !== disk.version) {
        this.conflict.value = { disk };
      }
    });
  }

  type(text: string): void {
    this.text.value = text;
    this.said.value = null;
    this.remember();
  }

  /** Puts another text in place of what is typed, as if it were typed. */
  replace(text: string): void {
    this.replaceText(text);
    this.remember();
  }

  /** Writes what is typed; `over` writes over a version that is not the one it began from. */
  async save(over: { disk: DiskFile | null } | null = null): Promise<boolean> {
    const base = this.base.peek();
    if (base === null || this.saving.peek()) return false;
    const written = this.text.peek();
    const text = toFile(written, base.text);
    this.saving.value = true;
    this.writes += 1;
    try {
      const saving = await this.access.write(text, over === null ? base.version : (over.disk?.version ?? null));
      this.writes += 1;
      return batch(() => this.settle(saving, text));
    } finally {
      this.saving.value = false;
    }
  }

  private settle(saving: Saving, text: string): boolean {
    switch (saving.kind) {
      case 'saved':
        this.base.value = { text, version: saving.version };
        this.conflict.value = null;
        this.problems.value = saving.problems;
        this.said.value =
          saving.refused === null
            ? { kind: 'ok', text: 'Saved. The gateway serves it.' }
            : { kind: 'warn', text: refusedText(saving.refused) };
        this.remember();
        return true;
      case 'changed':
        if (saving.disk !== null && saving.disk.text === text) {
          this.take(saving.disk);
          this.remember();
          return true;
        }
        this.conflict.value = { disk: saving.disk };
        this.said.value = { kind: 'error', text: 'Not saved: the file has changed on disk.' };
        return false;
      case 'invalid':
        this.problems.value = saving.problems;
        this.said.value = { kind: 'error', text: `Not saved: ${saving.detail}` };
        return false;
    }
  }

  /** Gives up what is typed for what is on disk. */
  takeDisk(): void {
    const disk = this.conflict.peek()?.disk ?? null;
    batch(() => {
      if (disk === null) {
        this.conflict.value = null;
        this.state.value = 'missing';
        this.base.value = null;
      } else this.take(disk);
      this.said.value = {
        kind: 'ok',
        text: 'This is the version on disk. Undo in the editor brings back what you had typed.',
      };
    });
    this.access.keepDraft(null);
  }

  /** Gives up what is typed. */
  discard(): void {
    const conflict = this.conflict.peek();
    const base = this.base.peek();
    if (conflict !== null) this.takeDisk();
    else if (base !== null) {
      this.replaceText(toEditor(base.text));
      this.said.value = null;
    }
    this.access.keepDraft(null);
  }

  private take(disk: DiskFile): void {
    this.base.value = disk;
    this.conflict.value = null;
    this.state.value = 'ready';
    this.replaceText(toEditor(disk.text));
  }

  private replaceText(text: string): void {
    this.text.value = text;
    this.revision.value += 1;
  }

  private remember(): void {
    const base = this.base.peek();
    if (base === null) return;
    const kept = this.access.keepDraft(this.modified.peek() ? JSON.stringify({ base, text: this.text.peek() }) : null);
    if (!kept && this.modified.peek()) {
      this.said.value = {
        kind: 'warn',
        text: 'The browser has no room for the draft. Save before you leave the page.',
      };
    }
  }
}
