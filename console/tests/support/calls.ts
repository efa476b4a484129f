// Calls of the gateway as an orchestrator makes them, beside the page.
import { expect } from '@playwright/test';
import type { Gateway } from './gateway';

let next = 0;

/** An id that no other test uses. */
export function uniqueId(name: string): string {
  next += 1;
  return `${name}-${process.pid}-${next}`;
}

export async function call(gateway: Gateway, body: Record<string, unknown>): Promise<Record<string, unknown>> {
  const response = await fetch(`${gateway.origin}/v1/tool-calls`, {
    method: 'POST',
    body: JSON.stringify({ environment: 'development', ...body }),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as Record<string, unknown>;
}

export async function orderStatus(gateway: Gateway, conversation: string, id: string, order = 'ORD-12345'): Promise<void> {
  await call(gateway, {
    name: 'get_order_status',
    conversation_id: conversation,
    tool_call_id: id,
    arguments: { order_number: order },
  });
}

export async function patchConversation(gateway: Gateway, conversation: string, body: unknown): Promise<void> {
  const response = await fetch(`${gateway.origin}/v1/conversations/${conversation}?environment=development`, {
    method: 'PATCH',
    body: JSON.stringify(body),
  });
  expect(response.status).toBe(200);
}
