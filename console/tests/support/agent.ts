// A gateway whose agents do what a test says: all else is the gateway's own answer.
import { expect } from '@playwright/test';
import type http from 'node:http';
import type { Gateway } from './gateway';
import { startProxy } from './proxy';

export interface AgentView {
  name: string;
  description: string;
  models: string[];
  actions: string[];
  file: string;
}

/** A turn that the page has asked for and that the test answers. */
export interface AskedTurn {
  readonly agent: string;
  readonly body: { environment: string; conversation_id: string; text: string; source: string };
  /** Sends an event, 100 ms after the one before it unless `data` says `at_ms`. */
  send(event: string, data?: Record<string, unknown>): void;
  /** Sends texts of the model. */
  say(...pieces: string[]): void;
  /** Sends bytes as they are. */
  raw(text: string): void;
  /** Sends `done` and ends the answer. */
  done(data?: Record<string, unknown>): void;
  /** Ends the answer without `done`. */
  end(): void;
  /** Done when the page has given the answer up. */
  readonly hungUp: Promise<void>;
}

export interface AgentGateway extends Gateway {
  /** What `GET /v1/agents` lists in an environment. */
  agents: Record<string, AgentView[]>;
  /** Waits for the next turn that the page asks for. */
  turn(): Promise<AskedTurn>;
  /** Refuses the next turns with this problem; `null` ends that. */
  refuse: null | { status: number; code: string; detail: string };
}

export const frontDesk: AgentView = {
  name: 'front_desk',
  description: 'Answers for the shop.',
  models: ['gpt-4.1-mini', 'claude-haiku-4-5'],
  actions: ['create_support_ticket', 'get_order_status'],
  file: 'agents/front_desk.yaml',
};

/** Puts scripted agents in front of a gateway. `stop` leaves the gateway itself alone. */
export async function withAgents(gateway: Gateway, listed: AgentView[] = [frontDesk]): Promise<AgentGateway> {
  const waiting: ((turn: AskedTurn) => void)[] = [];
  const asked: AskedTurn[] = [];

  function hand(turn: AskedTurn): void {
    const taker = waiting.shift();
    if (taker) taker(turn);
    else asked.push(turn);
  }

  const proxy = await startProxy({
    target: gateway.origin,
    instead(path, request, response) {
      const url = new URL(path, 'http://gateway');
      const agent = /^\/v1\/agents\/([^/]+)\/turns$/.exec(url.pathname)?.[1];
      if (url.pathname === '/v1/agents') {
        const environment = url.searchParams.get('environment') ?? '';
        json(response, 200, { environment, agents: own.agents[environment] ?? [] });
      } else if (agent !== undefined && own.refuse) {
        json(response, own.refuse.status, { ...own.refuse, title: 'refused' });
      } else if (agent !== undefined) {
        void answer(gateway, decodeURIComponent(agent), request, response).then(hand);
      } else {
        return false;
      }
      return true;
    },
  });
  const own: AgentGateway = {
    ...gateway,
    origin: proxy.origin,
    consoleUrl: `${proxy.origin}/console/`,
    agents: { development: listed, production: listed },
    refuse: null,
    turn: () =>
      new Promise((resolve) => {
        const turn = asked.shift();
        if (turn) resolve(turn);
        else waiting.push(resolve);
      }),
    stop: () => proxy.stop(),
  };
  return own;
}

function json(response: http.ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': status < 400 ? 'application/json' : 'application/problem+json' });
  response.end(JSON.stringify(body));
}

async function answer(
  gateway: Gateway,
  agent: string,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): Promise<AskedTurn> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  const body = JSON.parse(text) as AskedTurn['body'];
  // As the gateway does: the conversation is there before anything is told of the turn.
  const { environment, conversation_id: id } = body;
  const opened = await fetch(`${gateway.origin}/v1/conversations`, {
    method: 'POST',
    body: JSON.stringify({ environment, id }),
  });
  expect(opened.ok).toBe(true);
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' });
  response.flushHeaders();
  let at = 0;
  const turn: AskedTurn = {
    agent,
    body,
    send(event, data = {}) {
      at = typeof data.at_ms === 'number' ? data.at_ms : at + 100;
      turn.raw(`event: ${event}\ndata: ${JSON.stringify({ at_ms: at, ...data })}\n\n`);
    },
    say(...pieces) {
      for (const piece of pieces) turn.send('text', { text: piece, source: 'model' });
    },
    raw: (bytes) => void response.write(bytes),
    done(data = {}) {
      turn.send('done', { finish: 'stop', usage: { input_tokens: 210, output_tokens: 12 }, error: null, ...data });
      response.end();
    },
    end: () => void response.end(),
    hungUp: new Promise((resolve) => {
      response.on('close', () => {
        if (!response.writableFinished) resolve();
      });
    }),
  };
  return turn;
}
