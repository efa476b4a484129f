// Server-sent events, read from the body of a fetch: an EventSource cannot send a key.

export interface SseEvent {
  /** The number or name that the server gave it; the last one before it where it has none. */
  id: string;
  event: string;
  data: string;
}

/** Takes the text of a stream in pieces that may end anywhere, also between the two characters of a line end. */
export class SseParser {
  private rest = '';
  private afterReturn = false;
  private data: string[] = [];
  private event = '';
  private id = '';

  push(chunk: string): SseEvent[] {
    let text = chunk;
    if (this.afterReturn && text.startsWith('\n')) text = text.slice(1);
    if (chunk !== '') this.afterReturn = chunk.endsWith('\r');
    text = this.rest + text;

    const events: SseEvent[] = [];
    const ends = /\r\n|\r|\n/g;
    let start = 0;
    for (let end = ends.exec(text); end; end = ends.exec(text)) {
      const event = this.line(text.slice(start, end.index));
      if (event) events.push(event);
      start = ends.lastIndex;
    }
    this.rest = text.slice(start);
    return events;
  }

  private line(line: string): SseEvent | null {
    if (line === '') return this.dispatch();
    if (line.startsWith(':')) return null;
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') this.data.push(value);
    else if (field === 'event') this.event = value;
    else if (field === 'id' && !value.includes('\0')) this.id = value;
    return null;
  }

  private dispatch(): SseEvent | null {
    const event = { id: this.id, event: this.event || 'message', data: this.data.join('\n') };
    const empty = this.data.length === 0;
    this.data = [];
    this.event = '';
    return empty ? null : event;
  }
}

/** The events of a body as they come. What is not ended by a blank line is no event. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<SseEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = new SseParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}
