// A gateway of its own for tests: the program that `cargo build` makes, on a port that the system chooses.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { startProxy, type Proxy } from './proxy';

const here = path.dirname(fileURLToPath(import.meta.url));

/** The program under test. */
export const program = process.env.CALLGATE_BIN ?? path.join(here, '../../../target/debug/callgate');

/** A folder with a build of the console to show in place of the one in the program; none by default. */
const dist = process.env.CONSOLE_DIST;

export interface Gateway {
  /** Such as `http://127.0.0.1:4711`. */
  readonly origin: string;
  /** The address of the console, with a slash at its end. */
  readonly consoleUrl: string;
  readonly process: ChildProcess;
  /** What it has printed so far. */
  output(): string;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** Starts `callgate` with arguments that make it serve, and waits until it has said where its console is. */
export async function startGateway(args: string[], env: Record<string, string> = {}): Promise<Gateway> {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  const own = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      printed += chunk.toString();
      const match = /http:\/\/127\.0\.0\.1:\d+(?=\/console\/)/.exec(printed);
      if (match) resolve(match[0]);
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`callgate ended with ${code}:\n${printed}`)));
  });
  const proxy: Proxy | null = dist ? await startProxy({ target: own, dist }) : null;
  const origin = proxy?.origin ?? own;
  return {
    origin,
    consoleUrl: `${origin}/console/`,
    process: child,
    output: () => printed,
    async stop(signal = 'SIGTERM') {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = once(child, 'exit');
        child.kill(signal);
        await ended;
      }
      await proxy?.stop();
    },
  };
}

export function startDemo(): Promise<Gateway> {
  return startGateway(['demo', '--listen', '127.0.0.1:0', '--upstream-port', '0']);
}

export function serve(project: string, options: { edit?: boolean; listen?: string } = {}): Promise<Gateway> {
  return startGateway(['serve', ...(options.edit ? ['--edit'] : []), project], {
    CALLGATE_SERVER__LISTEN: options.listen ?? '127.0.0.1:0',
  });
}
