// Reads JSON (RFC 8259) without recursion, so that no depth of nesting overflows, and in slices where asked to,
// so that a long text does not hold up the page.

import type { ArrayNode, Container, Member, Node, ObjectNode } from './node';

/** The text is no JSON. `offset` is where that shows. */
export class JsonSyntaxError extends Error {
  constructor(
    message: string,
    readonly offset: number,
  ) {
    super(message);
    this.name = 'JsonSyntaxError';
  }
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const QUOTE = 34;
const BACKSLASH = 92;

const enum Expect {
  Value,
  ValueOrEnd,
  Name,
  NameOrEnd,
  CommaOrEnd,
  Nothing,
}

class Parser {
  private at = 0;
  private expect = Expect.Value;
  private readonly open: Container[] = [];
  private name = '';
  private root: Node | null = null;

  constructor(private readonly text: string) {
    if (text.charCodeAt(0) === 0xfeff) this.at = 1;
  }

  /** Reads at most `most` tokens; gives the root once it is whole. */
  read(most: number): Node | null {
    for (let count = 0; count < most; count += 1) {
      this.skipSpace();
      if (this.expect === Expect.Nothing) {
        if (this.at < this.text.length) this.fail('there is more behind the value');
        return this.root;
      }
      this.token();
    }
    return null;
  }

  private token(): void {
    const code = this.text.charCodeAt(this.at);
    const top = this.open[this.open.length - 1];
    switch (this.expect) {
      case Expect.CommaOrEnd:
        if (code === 44) {
          this.at += 1;
          this.expect = top?.kind === 'object' ? Expect.Name : Expect.Value;
        } else this.close(code);
        return;
      case Expect.NameOrEnd:
        if (code === 125) return this.close(code);
        return this.member(code);
      case Expect.Name:
        return this.member(code);
      case Expect.ValueOrEnd:
        if (code === 93) return this.close(code);
        return this.value(code);
      default:
        this.value(code);
    }
  }

  private member(code: number): void {
    if (code !== QUOTE) this.fail('a name in quotes is expected');
    this.name = this.string();
    this.skipSpace();
    if (this.text.charCodeAt(this.at) !== 58) this.fail('`:` is expected');
    this.at += 1;
    this.expect = Expect.Value;
  }

  private value(code: number): void {
    const start = this.at;
    if (code === QUOTE) {
      const value = this.string();
      this.put({ kind: 'string', value, parent: null, index: 0, start, end: this.at });
    } else if (code === 123) {
      this.at += 1;
      const node: ObjectNode = { kind: 'object', members: [], parent: null, index: 0, start, end: start };
      this.put(node);
      this.open.push(node);
      this.expect = Expect.NameOrEnd;
    } else if (code === 91) {
      this.at += 1;
      const node: ArrayNode = { kind: 'array', items: [], parent: null, index: 0, start, end: start };
      this.put(node);
      this.open.push(node);
      this.expect = Expect.ValueOrEnd;
    } else if (code === 45 || (code >= 48 && code <= 57)) {
      NUMBER.lastIndex = start;
      const raw = NUMBER.exec(this.text)?.[0];
      if (raw === undefined) return this.fail('a digit is expected');
      this.at += raw.length;
      this.put({ kind: 'number', raw, parent: null, index: 0, start, end: this.at });
    } else {
      this.word(start);
    }
  }

  private word(start: number): void {
    for (const kind of ['true', 'false', 'null'] as const) {
      if (!this.text.startsWith(kind, start)) continue;
      this.at += kind.length;
      this.put({ kind, parent: null, index: 0, start, end: this.at });
      return;
    }
    this.fail('a value is expected');
  }

  private put(node: Node): void {
    const top = this.open[this.open.length - 1];
    if (top === undefined) {
      this.root = node;
      this.expect = Expect.Nothing;
      return;
    }
    node.parent = top;
    if (top.kind === 'object') {
      node.index = top.members.length;
      const member: Member = { name: this.name, value: node };
      top.members.push(member);
    } else {
      node.index = top.items.length;
      top.items.push(node);
    }
    this.expect = Expect.CommaOrEnd;
  }

  private close(code: number): void {
    const top = this.open[this.open.length - 1];
    if (top === undefined || code !== (top.kind === 'object' ? 125 : 93)) {
      return this.fail(top?.kind === 'object' ? '`,` or `}` is expected' : '`,` or `]` is expected');
    }
    this.at += 1;
    top.end = this.at;
    this.open.pop();
    this.expect = this.open.length === 0 ? Expect.Nothing : Expect.CommaOrEnd;
  }

  private string(): string {
    const { text } = this;
    const start = this.at;
    let at = start + 1;
    let escaped = false;
    for (;;) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) break;
      if (code === BACKSLASH) {
        escaped = true;
        at += 2;
      } else if (code >= 32) at += 1;
      else {
        this.at = at;
        // `NaN`, behind the end of the text, is not >= 32 either.
        this.fail(at >= text.length ? 'a text is not closed' : 'a control character in a text is not escaped');
      }
    }
    this.at = at + 1;
    if (!escaped) return text.slice(start + 1, at);
    try {
      return JSON.parse(text.slice(start, at + 1)) as string;
    } catch {
      this.at = start;
      return this.fail('an escape in this text is wrong');
    }
  }

  private skipSpace(): void {
    const { text } = this;
    let { at } = this;
    for (;;) {
      const code = text.charCodeAt(at);
      if (code !== 32 && code !== 10 && code !== 13 && code !== 9) break;
      at += 1;
    }
    this.at = at;
  }

  private fail(message: string): never {
    const ended = this.at >= this.text.length;
    throw new JsonSyntaxError(ended ? `the text ends too early: ${message}` : message, this.at);
  }
}

/** Reads a whole text at once. Throws {@link JsonSyntaxError}. */
export function parse(text: string): Node {
  const root = new Parser(text).read(Number.POSITIVE_INFINITY);
  if (root === null) throw new JsonSyntaxError('a value is expected', 0);
  return root;
}

/** As {@link parse}, but null where the text is no JSON. */
export function tryParse(text: string): Node | null {
  try {
    return parse(text);
  } catch {
    return null;
  }
}

/** Gives the page its turn. */
export function pause(): Promise<void> {
  return new Promise((done) => setTimeout(done, 0));
}

/** As {@link parse}, in slices of about 40 ms, with the page's turn between them. */
export async function parseInSlices(text: string, stopped: () => boolean = () => false): Promise<Node> {
  const parser = new Parser(text);
  let since = performance.now();
  for (;;) {
    const root = parser.read(2_000);
    if (root !== null) return root;
    if (performance.now() - since > 40) {
      await pause();
      if (stopped()) throw new JsonSyntaxError('stopped', 0);
      since = performance.now();
    }
  }
}
