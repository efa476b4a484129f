// A reverse proxy: it takes a prefix off, or shows a build of the console from a folder.
import { createReadStream, existsSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';

export interface ProxyOptions {
  /** The gateway's origin. */
  target: string;
  /** What stands before all paths, such as `/gate`; nothing by default. */
  prefix?: string;
  /** A folder whose files are shown under `/console/`. */
  dist?: string;
  /** Answers a request in place of the gateway; false where it leaves it to the gateway. `path` has no prefix. */
  instead?: (path: string, request: http.IncomingMessage, response: http.ServerResponse) => boolean;
}

export interface Proxy {
  readonly origin: string;
  /** Such as `GET /v1/environments`, as they came. */
  readonly requests: string[];
  stop(): Promise<void>;
}

const types: Record<string, string> = { '.js': 'text/javascript', '.css': 'text/css', '.html': 'text/html', '.txt': 'text/plain' };

const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export async function startProxy({ target, prefix = '', dist, instead }: ProxyOptions): Promise<Proxy> {
  const requests: string[] = [];
  const upstream = new URL(target);

  function answer(request: http.IncomingMessage, response: http.ServerResponse): void {
    const asked = request.url ?? '/';
    requests.push(`${request.method} ${asked}`);
    if (!asked.startsWith(`${prefix}/`)) {
      response.writeHead(404).end('outside of the prefix');
      return;
    }
    const inner = asked.slice(prefix.length);
    if (instead?.(inner, request, response)) return;
    if (dist && inner.startsWith('/console/')) sendFile(dist, inner.slice('/console/'.length), response);
    else pass(inner, request, response);
  }

  function pass(inner: string, request: http.IncomingMessage, response: http.ServerResponse): void {
    const headers: http.OutgoingHttpHeaders = { ...request.headers, host: upstream.host };
    if (request.headers.origin) headers.origin = upstream.origin;
    const forward = http.request(
      { host: upstream.hostname, port: upstream.port, method: request.method, path: inner, headers, agent: false },
      (answered) => {
        response.writeHead(answered.statusCode ?? 502, answered.headers);
        response.flushHeaders();
        answered.pipe(response);
        answered.on('error', () => response.destroy());
      },
    );
    forward.on('error', () => response.destroy());
    response.on('close', () => forward.destroy());
    request.pipe(forward);
  }

  const server = http.createServer(answer);
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    requests,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function sendFile(dist: string, name: string, response: http.ServerResponse): void {
  const file = path.join(dist, path.basename(name.split('?')[0] ?? '') || 'index.html');
  if (!existsSync(file)) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, {
    'content-type': types[path.extname(file)] ?? 'application/octet-stream',
    'content-security-policy': policy,
    'cache-control': 'no-cache',
  });
  createReadStream(file).pipe(response);
}
