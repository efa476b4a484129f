// Talks to an agent of the gateway with the clients of Node.js, unchanged: `openai`, and Vercel's `ai` with
// `@ai-sdk/openai-compatible`. The conversations are those of agent_clients.py, which tells more of them.
//
// usage: agent_clients.mjs MODULES CLIENT BASE_URL KEY
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, name, url, key] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)).href);

// The agent, and all that there are.
const model = "front_desk";
const models = ["back_office", "front_desk"];
const instructions = "Answer in one sentence.";
// What the model says to which words: agent.rs.
const both = "Your order 7 has shipped, and three lamps are in stock.";
const filler = "One moment, I am looking. ";
const slow = "Tuesday at nine is free.";
const handed = "I am putting you through.";
const announced = "Let me see. ";
const ended = "Goodbye.";
const story = "Once upon a time there was a lamp.";
const thanks = "You are welcome.";
const transfer = ["transfer_call", { destination: "sales", reason: "asked" }];
const end = ["end_call", { reason: "done" }];
// What an answer costs that took so many answers of the model.
const rounds = (number) => ({
  input: number * 100,
  cached: 0,
  output: number * 10,
  total: number * 110,
});
// How long a step may take at most, in milliseconds; it is an answer that has not come, not a slow one.
const patience = 120_000;

// The client's own tools.
const tools = {
  transfer_call: [
    "Puts the caller through to somebody.",
    { destination: { type: "string", enum: ["sales", "service"] }, reason: { type: "string" } },
  ],
  end_call: ["Hangs up.", { reason: { type: "string" } }],
};
const parameters = (name) => ({
  type: "object",
  properties: tools[name][1],
  required: Object.keys(tools[name][1]),
  additionalProperties: false,
});

const tell = (step, facts) => console.log(JSON.stringify({ client: name, step, ...facts }));

// What a client saw of a turn; `until` is where to interrupt, `onText` is told of each text at once.
const turn = (more = {}) => ({
  facts: { texts: [], calls: [], finish: [], usage: [] },
  hear(text) {
    if (text) {
      this.facts.texts.push(text);
      this.onText?.(text);
    }
    return this.until !== undefined && this.text().length >= this.until.length;
  },
  text() {
    return this.facts.texts.join("");
  },
  ...more,
});

async function step(name, doing) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${name}: not over in ${patience} ms`)), patience);
  });
  return await Promise.race([doing, late]).finally(() => clearTimeout(timer));
}

async function converse(Client, step_, turns) {
  const client = await Client.open(`judge-${name}-${step_}`.replaceAll(" ", "-"), key, model);
  for (const [said, turn] of turns) {
    try {
      await step(said, client.say(said, turn));
    } finally {
      tell(step_, { said, ...turn.facts });
    }
  }
}

async function judge(Client) {
  const check = (turn, text, calls, finish, usage) => {
    assert.equal(turn.text(), text, "what the caller hears");
    assert.deepEqual(turn.facts.calls, calls, "the tools that the client runs");
    assert.deepEqual(turn.facts.finish, finish, "how the answers end");
    assert.deepEqual(turn.facts.usage, usage, "the usage");
  };

  // Two tools of the gateway: nothing of them is seen. The next turn knows of the answer.
  let [first, next] = [turn(), turn()];
  await converse(Client, "both tools", [["Use both tools.", first], ["Many thanks.", next]]);
  check(first, both, [], ["stop"], [rounds(2)]);
  check(next, thanks, [], ["stop"], [rounds(1)]);

  // A slow tool of the gateway, which ends only once the filler has been heard.
  first = turn({
    onText(text) {
      if (this.facts.texts.length === 1) tell("slow", { heard: text });
    },
  });
  await converse(Client, "slow", [["Take the slow one.", first]]);
  check(first, filler + slow, [], ["stop"], [rounds(2)]);
  assert.equal(first.facts.texts[0], filler, "the filler comes by itself");

  // The client's own tool, two of them in one answer, one after a text, one beside a tool of the gateway.
  for (const [step, said, text, calls] of [
    ["hand over", "Please hand me over.", handed, [transfer]],
    ["two of its own", "Please hand me over and hang up.", ended, [transfer, end]],
    ["announced", "Please say so and hand me over.", announced + handed, [transfer]],
    ["mixed", "Please look it up and hand me over.", handed, [transfer]],
  ]) {
    first = turn();
    await converse(Client, step, [[said, first]]);
    check(first, text, calls, ["tool_calls", "stop"], [rounds(1), rounds(1)]);
  }

  // The caller interrupts; the next turn has what was said until then.
  [first, next] = [turn({ until: story }), turn()];
  await converse(Client, "story", [["Please tell me a long story.", first], ["Many thanks.", next]]);
  assert.equal(first.text(), story, "what the caller hears until then");
  check(next, thanks, [], ["stop"], [rounds(1)]);

  // Errors, as the client has them.
  for (const [step_, status, key_, model_] of [
    ["wrong key", 401, "cg_wrong", model],
    ["unknown model", 404, key, "no_such_agent"],
  ]) {
    const client = await Client.open("judge-failure", key_, model_);
    const facts = await step(step_, client.fail());
    tell(step_, facts);
    assert.equal(facts.status, status);
    assert.ok(facts.message && !/[<\n]/.test(facts.message), "the message is readable");
    if (status === 404) {
      assert.match(facts.message, /no_such_agent/);
      assert.equal(facts.code, "model_not_found");
    }
  }
  await Client.more?.();
}

const clients = {
  // Its own loop: `runTools`.
  openai: {
    async open(conversation, apiKey, model) {
      const { default: OpenAI } = await load("openai");
      // A retry would hide an answer that was not right.
      const client = new OpenAI({ baseURL: url, apiKey, maxRetries: 0 });
      let messages = [{ role: "system", content: instructions }];
      const request = { model, user: conversation, temperature: 0.2, stream: true };
      return {
        client,
        request,
        messages,
        async say(said, turn) {
          const own = Object.keys(tools).map((name) => ({
            type: "function",
            function: {
              name,
              description: tools[name][0],
              parameters: parameters(name),
              parse: JSON.parse,
              function(found) {
                turn.facts.calls.push([name, found]);
                return { status: "ok" };
              },
            },
          }));
          messages.push({ role: "user", content: said });
          const stream_options = { include_usage: true };
          const runner = client.chat.completions.runTools({ ...request, stream_options, messages, tools: own });
          runner.on("content", (delta) => {
            if (turn.hear(delta)) runner.abort();
          });
          try {
            await runner.done();
          } catch (error) {
            if (turn.until === undefined || !(error instanceof OpenAI.APIUserAbortError)) throw error;
            // It is spoken later than it is heard.
            const text = turn.text();
            messages.push({ role: "assistant", content: text.slice(0, text.length / 2) });
            return;
          }
          for (const { choices, usage } of runner.allChatCompletions()) {
            turn.facts.finish.push(choices[0].finish_reason);
            assert.ok(usage, "usage was asked for");
            turn.facts.usage.push({
              input: usage.prompt_tokens,
              cached: usage.prompt_tokens_details.cached_tokens,
              output: usage.completion_tokens,
              total: usage.total_tokens,
            });
          }
          messages = runner.messages;
        },
        async fail() {
          try {
            await this.say("Many thanks.", turn());
          } catch (error) {
            const kind = { 401: OpenAI.AuthenticationError, 404: OpenAI.NotFoundError }[error.status];
            assert.equal(error.constructor, kind, `the class is that of the status: ${error}`);
            assert.ok(error.message.includes(error.error.message) && error.type, "the body is OpenAI's");
            return { error: kind.name, status: error.status, message: error.message, code: error.code, type: error.type };
          }
          assert.fail("no error");
        },
      };
    },
    async more() {
      const { client, request } = await this.open("judge-openai-more", key, model);
      const messages = [{ role: "user", content: "Use both tools." }];
      const whole = await client.chat.completions.create({ ...request, stream: false, messages });
      tell("whole", { whole });
      assert.equal(whole.choices[0].message.content, both);
      assert.equal(whole.usage.total_tokens, rounds(2).total);
      const stream = client.responses.stream({ model, input: "Use both tools." });
      const response = await stream.finalResponse();
      tell("responses", { response });
      assert.equal(response.output_text, both);
      assert.equal(response.usage.total_tokens, rounds(2).total);
      const listed = [];
      for await (const one of client.models.list()) listed.push(one.id);
      tell("models", { listed });
      assert.deepEqual(listed, models);
    },
  },

  // Its own loop: steps.
  ai_sdk: {
    async open(conversation, apiKey, model) {
      const { APICallError, generateText, jsonSchema, stepCountIs, streamText, tool } = await load("ai");
      const { createOpenAICompatible } = await load("@ai-sdk/openai-compatible");
      const provider = createOpenAICompatible({ name: "callgate", baseURL: url, apiKey, includeUsage: true });
      const messages = [];
      const common = (turn) => ({
        model: provider(model),
        system: instructions,
        messages,
        temperature: 0.2,
        maxOutputTokens: 200,
        maxRetries: 0,
        stopWhen: stepCountIs(3),
        providerOptions: { callgate: { user: conversation, reasoningEffort: "low", shop: "lamps" } },
        tools: Object.fromEntries(
          Object.keys(tools).map((name) => [
            name,
            tool({
              description: tools[name][0],
              inputSchema: jsonSchema(parameters(name)),
              execute(found) {
                turn.facts.calls.push([name, found]);
                return { status: "ok" };
              },
            }),
          ]),
        ),
      });
      return {
        async say(said, turn) {
          messages.push({ role: "user", content: said });
          const controller = new AbortController();
          const errors = [];
          const onError = ({ error }) => errors.push(error);
          const result = streamText({ ...common(turn), abortSignal: controller.signal, onError });
          let isAborted = false;
          for await (const part of result.fullStream) {
            if (part.type === "text-delta" && turn.hear(part.text)) controller.abort();
            if (part.type === "abort") isAborted = true;
          }
          if (errors.length > 0) throw errors[0];
          if (turn.until !== undefined) {
            assert.ok(isAborted, "the stream says that it was aborted");
            const text = turn.text();
            messages.push({ role: "assistant", content: text.slice(0, text.length / 2) });
            return;
          }
          assert.ok(!isAborted);
          for (const { finishReason, rawFinishReason, usage } of await result.steps) {
            turn.facts.finish.push(rawFinishReason ?? finishReason);
            turn.facts.usage.push({
              input: usage.inputTokens,
              cached: usage.inputTokenDetails.cacheReadTokens,
              output: usage.outputTokens,
              total: usage.totalTokens,
            });
          }
          const { messages: more } = await result.response;
          messages.push(...more);
        },
        async fail() {
          try {
            await this.say("Many thanks.", turn());
          } catch (error) {
            assert.ok(APICallError.isInstance(error), `the class is the vendor's: ${error}`);
            assert.equal(error.isRetryable, false, "no retry is to be made of it");
            const { code, type } = error.data.error;
            return { error: error.name, status: error.statusCode, message: error.message, code, type };
          }
          assert.fail("no error");
        },
        async whole() {
          const whole = turn();
          messages.push({ role: "user", content: "Please hand me over." });
          const { text, totalUsage, steps } = await generateText(common(whole));
          tell("whole", { text, ...whole.facts, totalUsage });
          assert.equal(text, handed);
          assert.deepEqual(whole.facts.calls, [transfer]);
          assert.equal(totalUsage.totalTokens, rounds(2).total);
          assert.deepEqual(steps.map((step) => step.finishReason), ["tool-calls", "stop"]);
        },
      };
    },
    async more() {
      const client = await this.open("judge-ai-sdk-whole", key, model);
      await step("whole", client.whole());
    },
  },
};

try {
  await judge(clients[name]);
} catch (error) {
  console.error(`${name}: ${error.stack ?? error}`);
  process.exit(1);
}
tell("over", {});
process.exit(0);
