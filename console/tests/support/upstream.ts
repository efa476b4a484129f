// An upstream that answers what nobody should trust.
import http from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Upstream {
  readonly origin: string;
  /** What came, newest last. */
  readonly received: { method: string; url: string; body: string }[];
  /** Lets `slow` answer. */
  release(): void;
  /** How many answers of the model were hung up on before their end. */
  hangUps(): number;
  /** How many wait for `release`. */
  waiting(): number;
  stop(): Promise<void>;
}

export const hugeText = 3_000_000;
export const manyNodes = 50_000;

/** JSON texts by name; made as text, so that numbers keep their digits and surrogates stay alone. */
const cases: Record<string, () => string> = {
  script: () =>
    JSON.stringify({
      '<script>window.__hacked = 1</script>': '<script>window.__hacked = 1</script>',
      image: '<img src=x onerror="window.__hacked = 1">',
      link: 'javascript:window.__hacked = 1',
      markup: '</pre></code><svg onload="window.__hacked = 1"><iframe srcdoc="<script>parent.__hacked = 1</script>">',
      template: '{{.variables.secret}} ${window.__hacked = 1}',
    }),
  hidden: () =>
    '{"ansi":"\\u001b[31mred\\u001b[0m \\u001b]0;title\\u0007","rtl":"abc\\u202egnp.exe","isolate":"\\u2066x\\u2069","zero":"a\\u200bb","bell":"\\u0007","nul":"\\u0000"}',
  surrogates: () => '{"lone":"a\\ud800b","reversed":"\\udc00\\ud800","pair":"\\ud83d\\ude00"}',
  integers: () => '{"id":9007199254740993,"big":18446744073709551615,"exact":0.10000000000000000001,"exponent":1e400,"zero":-0}',
  long: () => JSON.stringify({ text: 'x'.repeat(hugeText) }),
  many: () => {
    const items = Array.from({ length: manyNodes / 5 }, (_, id) => ({ id, name: `item ${id}`, note: 'y'.repeat(430), done: id % 2 === 0 }));
    return JSON.stringify({ items });
  },
  plain: () => '{"id":"n-1","ok":true}',
};

export async function startUpstream(): Promise<Upstream> {
  const received: Upstream['received'] = [];
  const held: (() => void)[] = [];
  let hangUps = 0;

  const server = http.createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      const url = new URL(request.url ?? '/', 'http://upstream');
      received.push({ method: request.method ?? '', url: request.url ?? '', body });
      if (url.pathname === '/v1/chat/completions') {
        answerAsModel(body, response);
        response.on('close', () => {
          if (!response.writableFinished) hangUps += 1;
        });
        return;
      }
      const name = url.searchParams.get('name') ?? 'plain';
      const send = () => sendCase(name, response);
      if (name === 'slow') held.push(send);
      else send();
    });
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    received,
    release: () => held.splice(0).forEach((send) => send()),
    hangUps: () => hangUps,
    waiting: () => held.length,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Message {
  role: string;
  content: string | null;
}

/**
 * A model in the form of Chat Completions. Who asks for an order has it looked up, who asks for a story gets one that does not end,
 * and all others hear what they have said.
 */
function answerAsModel(body: string, response: http.ServerResponse): void {
  const { messages } = JSON.parse(body) as { messages: Message[] };
  const said = messages.filter(({ role }) => role === 'user').at(-1)?.content ?? '';
  const isAnswered = messages.at(-1)?.role === 'tool';
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const send = (delta: object, reason: string | null = null) =>
    response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: reason }] })}\n\n`);
  const end = (reason: string) => {
    send({}, reason);
    response.end('data: [DONE]\n\n');
  };
  if (said.includes('story')) {
    send({ content: 'Once upon a time' });
  } else if (said.includes('ORD-') && !isAnswered) {
    const number = /ORD-\d+/.exec(said)?.[0];
    const call = { name: 'get_order_status', arguments: JSON.stringify({ order_number: number }) };
    send({ tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: call }] });
    end('tool_calls');
  } else {
    for (const piece of isAnswered ? ['It is on', ' its way.'] : ['You said: ', said]) send({ content: piece });
    end('stop');
  }
}

function sendCase(name: string, response: http.ServerResponse): void {
  if (name === 'html') {
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end('<!doctype html><title>A page</title><script>window.__hacked = 1</script><p onclick="window.__hacked = 1">Hello');
  } else if (name === 'broken') {
    response.writeHead(500, { 'content-type': 'application/json' });
    response.end('{"error":"it \\u202e broke"}');
  } else {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end((cases[name] ?? cases['plain'])?.() ?? '{}');
  }
}
