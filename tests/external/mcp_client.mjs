// Drives the MCP server with the official TypeScript clients: `@modelcontextprotocol/sdk` (sessions)
// and `@modelcontextprotocol/client` (both generations).
//
// usage: mcp_client.mjs MODULES URL KEY PROGRAM PROJECT CHECK
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, url, key, program, project, check] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const options = { requestInit: { headers: { Authorization: `Bearer ${key}` } } };
const stdio = { command: program, args: ["mcp", "--project", project, "--environment", "development"] };
let held = 0;
const hold = (found, wanted) => (assert.deepEqual(found, wanted), (held += 1));

async function converse(client, transport) {
  await client.connect(transport);
  const { tools } = await client.listTools();
  hold(tools.map((tool) => tool.name), ["add_note", "get_order", "get_rates", "greet", "hours"]);
  hold(tools[0].annotations.destructiveHint, true);
  // The client holds the answer against the output schema that it has just read.
  const rates = await client.callTool({ name: "get_rates", arguments: {} });
  hold(rates.structuredContent, { customer: "c1", usd: 1.5 });
  const hours = await client.callTool({ name: "hours", arguments: {} });
  hold(hours.content, [{ type: "text", text: "9 to 5,\nMonday to Friday" }]);
  const broken = await client.callTool({ name: "get_order", arguments: { number: "seven" } });
  hold(broken.isError, true);
  await client.close();
}

const info = { name: "test", version: "1" };
const checks = {
  async sdk() {
    const { Client } = await load("@modelcontextprotocol/sdk/client/index.js");
    const { StreamableHTTPClientTransport } = await load("@modelcontextprotocol/sdk/client/streamableHttp.js");
    const { StdioClientTransport } = await load("@modelcontextprotocol/sdk/client/stdio.js");
    await converse(new Client(info), new StreamableHTTPClientTransport(new URL(url), options));
    await converse(new Client(info), new StdioClientTransport(stdio));
  },
  async client() {
    const { Client, StreamableHTTPClientTransport } = await load("@modelcontextprotocol/client");
    for (const versionNegotiation of [{ mode: "legacy" }, { mode: "auto" }, { mode: { pin: "2026-07-28" } }]) {
      const client = new Client(info, { versionNegotiation });
      await converse(client, new StreamableHTTPClientTransport(new URL(url), options));
    }
  },
};
await checks[check]();
console.log(`${check}: ${held} held`);
process.exit(0);
