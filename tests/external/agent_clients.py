"""Talks to an agent of the gateway with the clients that voice teams use, unchanged.

usage: agent_clients.py CLIENT BASE_URL KEY

BASE_URL is that of an OpenAI client, up to `/v1`; CLIENT the name of a class below. What the agent can
do, and what its model says to which words, is in tests/external/agent.rs. Each client has the same
conversations (`judge`), by its own means: its own loop for the tools that are the client's, its own way
to interrupt, its own errors. Prints a line of JSON per step with what was seen, and says why where that
is not right. A line with `heard` tells that a filler has come: only then may the slow tool end.
"""

import asyncio
import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

CLIENT, URL, KEY = sys.argv[1:4]
# Nothing is to be reported to anybody, and no key of the surroundings is to be used.
os.environ.update(OPENAI_API_KEY="", OPENAI_AGENTS_DISABLE_TRACING="1", OTEL_SDK_DISABLED="true")
# Pipecat tells of each step otherwise.
os.environ["LOGURU_LEVEL"] = "WARNING"

# The agent, and all that there are.
MODEL = "front_desk"
MODELS = ["back_office", "front_desk"]
INSTRUCTIONS = "Answer in one sentence."
# What the model says to which words: agent.rs.
BOTH = "Your order 7 has shipped, and three lamps are in stock."
FILLER = "One moment, I am looking. "
SLOW = "Tuesday at nine is free."
HANDED = "I am putting you through."
ANNOUNCED = "Let me see. "
ENDED = "Goodbye."
STORY = "Once upon a time there was a lamp."
THANKS = "You are welcome."
TRANSFER = ("transfer_call", {"destination": "sales", "reason": "asked"})
END = ("end_call", {"reason": "done"})
# What each answer of the model costs.
INPUT, OUTPUT = 100, 10
# How long a step may take at most, in seconds; it is an answer that has not come, not a slow one.
PATIENCE = 120

# The client's own tools.
TOOLS = {
    "transfer_call": (
        "Puts the caller through to somebody.",
        {"destination": {"type": "string", "enum": ["sales", "service"]}, "reason": {"type": "string"}},
    ),
    "end_call": ("Hangs up.", {"reason": {"type": "string"}}),
}


def parameters(name: str) -> dict:
    properties = TOOLS[name][1]
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


@dataclass
class Turn:
    """What a client saw of a turn, with all the requests that it took."""

    texts: list[str] = field(default_factory=list)
    # Tools of the client's that it ran: name, arguments.
    calls: list[tuple[str, dict]] = field(default_factory=list)
    # The finish reason of each answer, where the client tells it.
    finish: list[str] = field(default_factory=list)
    # {input, cached, output, total} of each answer.
    usage: list[dict] = field(default_factory=list)
    # Is told of each text at once.
    on_text: Callable[[str], None] = lambda text: None
    # Where to interrupt: once this much has been heard.
    until: str | None = None

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def hear(self, text: str | None) -> bool:
        """Notes a text; whether it is time to interrupt."""
        if text:
            self.texts.append(text)
            self.on_text(text)
        return self.until is not None and len(self.text) >= len(self.until)

    def facts(self) -> dict:
        return {name: value for name, value in asdict(self).items() if name in ("texts", "calls", "finish", "usage")}


class Wrong(Exception):
    """What was seen is not right."""


def hold(is_so: bool, what: str, *seen: object) -> None:
    if not is_so:
        raise Wrong(f"{what}; seen: {', '.join(map(repr, seen))}")


def tell(step: str, **facts: object) -> None:
    print(json.dumps({"client": CLIENT, "step": step, **facts}), flush=True)


def counted(usage) -> dict:
    """The usage of `/chat/completions` as its client gives it."""
    hold(usage is not None, "usage was asked for", usage)
    cached = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else None
    return costs(usage.prompt_tokens, cached, usage.completion_tokens, usage.total_tokens)


def costs(prompt: int, cached: int | None, completion: int, total: int) -> dict:
    return {"input": prompt, "cached": cached, "output": completion, "total": total}


def rounds(number: int) -> dict:
    """What an answer costs that took so many answers of the model."""
    return costs(number * INPUT, 0, number * OUTPUT, number * (INPUT + OUTPUT))


def error_facts(error: Exception) -> dict:
    """An error of the `openai` package, or one that has its members."""
    body = error.body if isinstance(error.body, dict) else {}
    kind = f"{type(error).__module__}.{type(error).__name__}"
    told = {"error": kind, "status": error.status_code, "message": error.message}
    return told | {name: body.get(name) for name in ("type", "code", "param")} | {"body": body.get("message")}


class Client:
    """One conversation by the means of one client."""

    # What it takes long to load: no step is to wait for it.
    modules: tuple[str, ...] = ()
    # Whether the client tells of finish reasons, and of usage.
    tells_finish = True
    # The most tools of its own that it takes from one answer.
    takes_several = True

    def __init__(self, conversation: str, key: str = KEY, model: str = MODEL):
        self.conversation, self.key, self.model = conversation, key, model

    async def start(self) -> None:
        """Opens the conversation."""

    async def say(self, words: str, turn: Turn) -> Turn:
        """Says `words`, goes through all that follows, and fills in `turn` meanwhile."""
        raise NotImplementedError

    async def fail(self) -> dict:
        """Says something; the facts of the error that this raises."""
        raise NotImplementedError

    async def close(self) -> None:
        """Ends the conversation."""

    @staticmethod
    async def more() -> None:
        """What this client alone can do."""


async def step(name: str, doing):
    try:
        return await asyncio.wait_for(doing, PATIENCE)
    except TimeoutError:
        raise Wrong(f"{name}: not over in {PATIENCE} s") from None


async def converse(kind: type[Client], name: str, *turns: tuple[str, Turn]) -> list[Turn]:
    client = kind(f"judge-{CLIENT}-{name}".replace(" ", "-"))
    await step(f"{name}, start", client.start())
    try:
        for words, turn in turns:
            try:
                await step(words, client.say(words, turn))
            finally:
                tell(name, said=words, **turn.facts())
        return [turn for _, turn in turns]
    finally:
        await step(f"{name}, close", client.close())


async def judge(kind: type[Client]) -> None:
    def check(turn: Turn, text: str, calls: list, finish: list[str], usage: list[dict]) -> None:
        hold(turn.text == text, f"the caller was to hear {text!r}", turn.texts)
        hold(turn.calls == calls, f"the client was to run {calls!r}", turn.calls)
        if kind.tells_finish:
            hold(turn.finish == finish, f"the answers were to end in {finish!r}", turn.finish)
        hold(turn.usage == usage, f"the usage was to be {usage!r}", turn.usage)

    # Two tools of the gateway: nothing of them is seen. The next turn knows of the answer.
    both, thanks = await converse(kind, "both tools", ("Use both tools.", Turn()), ("Many thanks.", Turn()))
    check(both, BOTH, [], ["stop"], [rounds(2)])
    check(thanks, THANKS, [], ["stop"], [rounds(1)])

    # A slow tool of the gateway, which ends only once the filler has been heard.
    def heard(text: str) -> None:
        if len(slow.texts) == 1:
            tell("slow", heard=text)

    slow = Turn(on_text=heard)
    await converse(kind, "slow", ("Take the slow one.", slow))
    check(slow, FILLER + SLOW, [], ["stop"], [rounds(2)])
    hold(slow.texts[0] == FILLER, "the filler was to come by itself", slow.texts)

    # The client's own tool.
    (handed,) = await converse(kind, "hand over", ("Please hand me over.", Turn()))
    check(handed, HANDED, [TRANSFER], ["tool_calls", "stop"], [rounds(1), rounds(1)])
    # Two of them in one answer.
    if kind.takes_several:
        (ended,) = await converse(kind, "two of its own", ("Please hand me over and hang up.", Turn()))
        check(ended, ENDED, [TRANSFER, END], ["tool_calls", "stop"], [rounds(1), rounds(1)])
    # One after a text.
    (announced,) = await converse(kind, "announced", ("Please say so and hand me over.", Turn()))
    check(announced, ANNOUNCED + HANDED, [TRANSFER], ["tool_calls", "stop"], [rounds(1), rounds(1)])
    # One of the gateway's and one of the client's in one answer of the model.
    (mixed,) = await converse(kind, "mixed", ("Please look it up and hand me over.", Turn()))
    check(mixed, HANDED, [TRANSFER], ["tool_calls", "stop"], [rounds(1), rounds(1)])

    # The caller interrupts; the next turn has what was said until then.
    story, thanks = await converse(
        kind, "story", ("Please tell me a long story.", Turn(until=STORY)), ("Many thanks.", Turn())
    )
    hold(story.text == STORY, f"the caller was to hear {STORY!r}", story.texts)
    check(thanks, THANKS, [], ["stop"], [rounds(1)])

    # Errors, as the client has them.
    for name, status, client in [
        ("wrong key", 401, kind("judge-wrong-key", key="cg_wrong")),
        ("unknown model", 404, kind("judge-unknown-model", model="no_such_agent")),
    ]:
        await step(f"{name}, start", client.start())
        facts = await step(name, client.fail())
        await step(f"{name}, close", client.close())
        tell(name, **facts)
        hold(facts["status"] == status, f"{name}: the status was to be {status}", facts)
        message = facts["message"]
        hold(message and "<" not in message and "\n" not in message, f"{name}: not readable", facts)
        if status == 404:
            hold("no_such_agent" in message, f"{name}: the message was to name the model", facts)
            hold(facts.get("code", "model_not_found") == "model_not_found", f"{name}: the code", facts)
    await kind.more()


class openai(Client):  # noqa: N801
    """`openai`: `chat.completions.stream`, whose accumulator holds the stream together."""

    modules = ("openai", "openai.types.chat", "openai.types.responses")

    def tools(self) -> list[dict]:
        return [
            {"type": "function", "function": {"name": name, "description": TOOLS[name][0], "parameters": parameters(name)}}
            for name in TOOLS
        ]

    async def start(self):
        from openai import AsyncOpenAI

        # A retry would hide an answer that was not right.
        self.client = AsyncOpenAI(base_url=URL, api_key=self.key, max_retries=0)
        self.messages = [{"role": "system", "content": INSTRUCTIONS}]
        self.create = {"model": self.model, "tools": self.tools(), "user": self.conversation, "temperature": 0.2}

    async def close(self):
        await self.client.close()

    async def say(self, words, turn):
        self.messages.append({"role": "user", "content": words})
        while True:
            asked = {**self.create, "messages": self.messages, "stream_options": {"include_usage": True}}
            async with self.client.chat.completions.stream(**asked) as stream:
                async for event in stream:
                    if event.type == "content.delta" and turn.hear(event.delta):
                        # It is spoken later than it is heard.
                        self.messages.append({"role": "assistant", "content": turn.text[: len(turn.text) // 2]})
                        return turn
                completion = await stream.get_final_completion()
            (choice,) = completion.choices
            turn.finish.append(choice.finish_reason)
            turn.usage.append(counted(completion.usage))
            self.messages.append(choice.message.model_dump(exclude_none=True, exclude={"parsed"}))
            if choice.finish_reason != "tool_calls":
                return turn
            self.run(choice.message.tool_calls, turn)

    def run(self, calls, turn):
        for call in calls:
            hold(call.type == "function" and call.id, "a call was to have its type and an id", call)
            turn.calls.append((call.function.name, json.loads(call.function.arguments)))
            self.messages.append({"role": "tool", "tool_call_id": call.id, "content": '{"status":"ok"}'})

    async def fail(self):
        import openai

        try:
            await self.say("Many thanks.", Turn())
        except openai.APIStatusError as error:
            kind = {401: openai.AuthenticationError, 404: openai.NotFoundError}[error.status_code]
            hold(type(error) is kind, "the class was to be that of the status", repr(error))
            facts = error_facts(error)
            hold(facts["body"] in facts["message"] and facts["type"], "the body was to be OpenAI's", error.body)
            return facts
        raise Wrong("no error")

    @staticmethod
    async def more():
        for doing in [
            one_by_one,
            without_usage,
            whole,
            responses_stream,
            responses_whole,
            responses_fail,
            as_bytes,
            models,
        ]:
            client = openai(f"judge-{doing.__name__}")
            await client.start()
            await step(doing.__name__, doing(client.client, client))
            await client.close()


def asked(client: openai, words: str) -> dict:
    """A request of `/chat/completions` that opens a conversation."""
    messages = [*client.messages, {"role": "user", "content": words}]
    return {**client.create, "user": f"{client.conversation}-{words.split()[1]}", "messages": messages}


async def one_by_one(api, client):
    """Each chunk for itself."""
    request = asked(client, "Please hand me over and hang up.")
    stream = await api.chat.completions.create(**request, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    tell("chunks", chunks=[chunk.model_dump(exclude_unset=True) for chunk in chunks])
    hold(len({chunk.id for chunk in chunks}) == 1 and chunks[0].id, "one id was to be in all", chunks)
    hold(len({chunk.created for chunk in chunks}) == 1 and chunks[0].created > 0, "one time was to be in all", chunks)
    hold({chunk.object for chunk in chunks} == {"chat.completion.chunk"}, "the object", chunks)
    hold({chunk.model for chunk in chunks} == {MODEL}, "the model that was asked for was to be in all", chunks)
    *with_choices, last = chunks
    hold(last.choices == [] and last.usage is not None, "usage was to come last and alone", last)
    for chunk in with_choices:
        hold("usage" in chunk.model_fields_set and chunk.usage is None, "usage was to be null before", chunk)
        hold(len(chunk.choices) == 1 and chunk.choices[0].index == 0, "one choice was to be in each", chunk)
    deltas = [chunk.choices[0].delta for chunk in with_choices]
    hold(deltas[0].role == "assistant" and deltas[0].content == "", "the role was to come first", deltas[0])
    reasons = [chunk.choices[0].finish_reason for chunk in with_choices]
    hold(reasons[-1] == "tool_calls" and not any(reasons[:-1]), "one finish reason was to come at the end", reasons)
    # One call in a chunk, with its id and name first: some clients read no other.
    calls = {}
    for delta in deltas:
        hold(len(delta.tool_calls or []) <= 1, "one call at most was to be in a chunk", delta)
        for call in delta.tool_calls or []:
            if call.index not in calls:
                hold(call.index == len(calls), "the index was to go up by one", delta)
                hold(bool(call.id and call.type == "function" and call.function.name), "a call opens whole", delta)
                calls[call.index] = ""
            else:
                hold(not call.id and not call.function.name, "the id and the name were to come once", delta)
                hold(call.index == len(calls) - 1, "calls were to come one after the other", delta)
            calls[call.index] += call.function.arguments
    hold([json.loads(text) for text in calls.values()] == [TRANSFER[1], END[1]], "the arguments", calls)


async def without_usage(api, client):
    stream = await api.chat.completions.create(**asked(client, "Many thanks."), stream=True)
    chunks = [chunk async for chunk in stream]
    hold(all("usage" not in chunk.model_fields_set for chunk in chunks), "usage came unasked", chunks)
    hold(all(len(chunk.choices) == 1 for chunk in chunks), "one choice was to be in each", chunks)
    tell("without usage", chunks=len(chunks))


async def whole(api, client):
    """Without a stream."""
    for words, text, calls in [("Use both tools.", BOTH, None), ("Please hand me over.", None, [TRANSFER])]:
        completion = await api.chat.completions.create(**asked(client, words))
        tell("whole", said=words, completion=completion.model_dump(exclude_unset=True))
        hold(completion.object == "chat.completion" and completion.model == MODEL, "the object", completion)
        (choice,) = completion.choices
        hold((choice.message.content or None) == text, f"the text was to be {text!r}", choice)
        hold(choice.message.role == "assistant", "the role", choice)
        hold(counted(completion.usage) == rounds(1 if calls else 2), "the usage", completion.usage)
        found = choice.message.tool_calls
        found = found and [(call.function.name, json.loads(call.function.arguments)) for call in found]
        hold(found == calls, f"the calls were to be {calls!r}", choice)
        hold(choice.finish_reason == ("tool_calls" if calls else "stop"), "the finish reason", choice)


async def as_bytes(api, client):
    """What goes over the line, which clients are lenient about."""
    create = api.chat.completions.with_streaming_response.create
    async with create(**asked(client, "Many thanks."), stream=True) as response:
        headers = response.headers
        lines = [line async for line in response.iter_lines()]
    told = {name: headers.get(name) for name in ("content-type", "cache-control", "content-encoding")}
    tell("bytes", headers=told, lines=lines)
    hold(headers["content-type"].startswith("text/event-stream"), "the content type", told)
    hold("content-encoding" not in headers, "nothing was to be compressed", told)
    data = [line for line in lines if line.startswith("data:")]
    hold(data[-1] == "data: [DONE]" and data.count("data: [DONE]") == 1, "[DONE] was to be last", lines)
    other = [line for line in lines if line and not line.startswith(("data: ", ":"))]
    hold(not other, "nothing but data and comments was to come", other)


async def models(api, client):
    listed = [model async for model in api.models.list()]
    tell("models", models=[model.model_dump() for model in listed])
    hold([model.id for model in listed] == MODELS, "the agents were to be listed", listed)
    for model in listed:
        hold(model.object == "model" and model.created >= 0 and model.owned_by, "the model", model)


def response_tools() -> list[dict]:
    return [
        {"type": "function", "name": name, "description": TOOLS[name][0], "parameters": parameters(name), "strict": True}
        for name in TOOLS
    ]


def spent(usage) -> dict:
    """The usage of `/responses`."""
    hold(usage.output_tokens_details.reasoning_tokens == 0, "reasoning tokens", usage)
    return costs(usage.input_tokens, usage.input_tokens_details.cached_tokens, usage.output_tokens, usage.total_tokens)


def response_facts(response) -> dict:
    found = [item for item in response.output if item.type == "function_call"]
    calls = [(item.name, json.loads(item.arguments)) for item in found]
    return {"text": response.output_text, "calls": calls, "usage": spent(response.usage), "status": response.status}


async def responses_stream(api, client):
    """`responses.stream`, whose accumulator wants each item and part to be opened before it grows."""
    common = {"model": MODEL, "instructions": INSTRUCTIONS, "tools": response_tools(), "store": False}

    async def ask(name, items, until=None, of=None):
        """Says `items` in the conversation called `name`, or `of`; what came, or nothing where it was interrupted."""
        kinds, texts = [], []
        conversation = f"judge-responses-{of or name}"
        async with api.responses.stream(**common, user=conversation, input=items) as stream:
            async for event in stream:
                kinds.append(event.type)
                if event.type == "response.output_text.delta":
                    texts.append(event.delta)
                    if name == "slow" and len(texts) == 1:
                        tell("slow", heard=event.delta)
                    if until and "".join(texts) == until:
                        return None
            final = await stream.get_final_response()
        facts = response_facts(final)
        tell("responses", said=name, texts=texts, kinds=kinds, **facts)
        hold(kinds[0] == "response.created" and kinds[-1] == "response.completed", "the events", kinds)
        hold("".join(texts) == facts["text"] and facts["status"] == "completed", "the text", texts, facts)
        return final, facts

    _, facts = await ask("both", "Use both tools.")
    hold((facts["text"], facts["calls"], facts["usage"]) == (BOTH, [], rounds(2)), "both tools", facts)
    _, facts = await ask("slow", "Take the slow one.")
    hold((facts["text"], facts["calls"], facts["usage"]) == (FILLER + SLOW, [], rounds(2)), "the slow one", facts)
    # The client's own tool, and its result with the items that the answer had.
    items = [{"role": "user", "content": [{"type": "input_text", "text": "Please hand me over and hang up."}]}]
    final, facts = await ask("calls", items)
    hold((facts["text"], facts["calls"]) == ("", [TRANSFER, END]), "the calls", facts)
    items += [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in final.output]
    for item in final.output:
        items.append({"type": "function_call_output", "call_id": item.call_id, "output": '{"status":"ok"}'})
    _, facts = await ask("results", items, of="calls")
    hold((facts["text"], facts["calls"], facts["usage"]) == (ENDED, [], rounds(1)), "the results", facts)
    # A caller who interrupts.
    story = [{"role": "user", "content": "Please tell me a long story."}]
    hold(await ask("story", story, until=STORY) is None, "the story was to be interrupted")
    story += [{"role": "assistant", "content": STORY[:16]}, {"role": "user", "content": "Many thanks."}]
    _, facts = await ask("thanks", story, of="story")
    hold(facts["text"] == THANKS, "the next turn", facts)


async def responses_whole(api, client):
    """`responses.create` without a stream."""
    common = {"model": MODEL, "instructions": INSTRUCTIONS, "tools": response_tools()}
    for words, text, calls in [("Use both tools.", BOTH, []), ("Please hand me over.", "", [TRANSFER])]:
        response = await api.responses.create(**common, user=f"judge-whole-{len(calls)}", input=words)
        facts = response_facts(response)
        tell("responses whole", said=words, **facts)
        hold((facts["text"], facts["calls"]) == (text, calls), f"was to be {text!r}, {calls!r}", facts)
        hold(facts["usage"] == rounds(1 if calls else 2) and facts["status"] == "completed", "the end", facts)
        hold(response.object == "response" and response.model == MODEL and response.error is None, "the object", response)


async def responses_fail(api, client):
    import openai

    for stream in (False, True):
        try:
            await api.responses.create(model="no_such_agent", input="Many thanks.", stream=stream)
        except openai.NotFoundError as error:
            facts = error_facts(error)
            tell("responses unknown model", **facts)
            hold("no_such_agent" in facts["body"] and facts["code"] == "model_not_found", "the error", facts)
        else:
            raise Wrong("no error")


class livekit(Client):  # noqa: N801
    """`livekit-agents`: an `AgentSession` without audio, with `livekit.plugins.openai.LLM`."""

    modules = ("livekit.agents", "livekit.plugins.openai")
    tells_finish = False

    def llm(self):
        from livekit.agents import APIConnectOptions
        from livekit.plugins import openai

        # A retry would hide an answer that was not right. Its own patience is 10 seconds without a byte.
        self.patience = APIConnectOptions(max_retry=0, timeout=60)
        return openai.LLM(
            model=self.model,
            base_url=URL,
            api_key=self.key,
            user=self.conversation,
            temperature=0.2,
            max_completion_tokens=200,
            metadata={"room": "room-1"},
            prompt_cache_key=self.conversation,
            extra_body={"callgate_test": {"shop": "lamps"}},
        )

    async def start(self):
        from livekit.agents import Agent, AgentSession, function_tool
        from livekit.agents.voice.agent_session import SessionConnectOptions
        from livekit.agents.voice.io import TextOutput

        judge = self

        class Ear(TextOutput):
            """Stands where the text would be shown and spoken; the session counts it as said from here on."""

            async def capture_text(self, text):
                if judge.turn.hear(text):
                    judge.is_time.set()

            def flush(self):
                pass

        class Desk(Agent):
            """Notes the usage of each answer, and hands all on."""

            def __init__(self):
                super().__init__(instructions=INSTRUCTIONS)

            async def llm_node(self, chat_ctx, tools, model_settings):
                async for chunk in Agent.default.llm_node(self, chat_ctx, tools, model_settings):
                    if chunk.usage is not None:
                        used = chunk.usage
                        found = (used.prompt_tokens, used.prompt_cached_tokens, used.completion_tokens)
                        judge.turn.usage.append(costs(*found, used.total_tokens))
                    yield chunk

            @function_tool(description=TOOLS["transfer_call"][0])
            async def transfer_call(self, destination: str, reason: str) -> dict:
                judge.turn.calls.append(("transfer_call", {"destination": destination, "reason": reason}))
                return {"status": "ok"}

            @function_tool(description=TOOLS["end_call"][0])
            async def end_call(self, reason: str) -> dict:
                judge.turn.calls.append(("end_call", {"reason": reason}))
                return {"status": "ok"}

        self.turn, self.is_time = Turn(), asyncio.Event()
        self.service = self.llm()
        options = SessionConnectOptions(llm_conn_options=self.patience)
        self.session = AgentSession(llm=self.service, conn_options=options)
        self.session.output.transcription = Ear(label="ear", next_in_chain=None)
        await self.session.start(Desk(), record=False)

    async def say(self, words, turn):
        self.turn, self.is_time = turn, asyncio.Event()
        if turn.until is None:
            result = self.session.run(user_input=words)
            await result
            said = [item.item for item in result.events if item.type == "message" and item.item.role == "assistant"]
            hold("".join(item.text_content for item in said) == turn.text, "the session was to have the text", said)
            return turn
        speech = self.session.generate_reply(user_input=words)
        await self.is_time.wait()
        await self.session.interrupt()
        await speech
        hold(speech.interrupted, "the speech was to be interrupted", speech)
        kept = self.session.history.messages()[-1]
        hold(kept.role == "assistant" and kept.interrupted, "the history was to have what was said", kept)
        hold(kept.text_content == turn.text, "the history was to have what was said", kept)
        return turn

    async def close(self):
        await self.session.aclose()
        await self.service.aclose()

    async def fail(self):
        from livekit.agents import APIStatusError
        from livekit.agents.llm import ChatContext

        context = ChatContext.empty()
        context.add_message(role="user", content="Many thanks.")
        try:
            async with self.service.chat(chat_ctx=context, conn_options=self.patience) as stream:
                async for chunk in stream:
                    raise Wrong(f"no error, but {chunk!r}")
        except APIStatusError as error:
            hold(not error.retryable, "no retry was to be made of it", error)
            facts = error_facts(error)
            hold(facts["body"] in facts["message"], "the body was to be OpenAI's", error.body)
            return facts
        raise Wrong("no error")

    @staticmethod
    async def more():
        """A worker asks for the models before its first call; an error of it is swallowed, so look."""
        client = livekit("judge-livekit-prewarm")
        service = client.llm()
        listed = [model.id async for model in service._client.models.list()]
        tell("models", models=listed)
        hold(listed == MODELS, "the agents were to be listed", listed)
        await service.aclose()


class pipecat(Client):  # noqa: N801
    """`pipecat-ai`: a pipeline of `OpenAILLMService` between the aggregators of a context."""

    modules = (
        "pipecat.pipeline.worker",
        "pipecat.processors.aggregators.llm_response_universal",
        "pipecat.services.openai.llm",
        "pipecat.workers.runner",
    )
    tells_finish = False

    async def start(self):
        from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
        from pipecat.frames.frames import FunctionCallsStartedFrame, LLMTextFrame, MetricsFrame
        from pipecat.metrics.metrics import LLMUsageMetricsData
        from pipecat.pipeline.pipeline import Pipeline
        from pipecat.pipeline.worker import PipelineParams, PipelineWorker
        from pipecat.processors.aggregators.llm_context import LLMContext
        from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
        from pipecat.processors.frame_processor import FrameProcessor
        from pipecat.services.openai.llm import OpenAILLMService
        from pipecat.workers.runner import WorkerRunner

        judge = self
        self.turn, self.is_time, self.is_over = Turn(), asyncio.Event(), asyncio.Event()
        self.error, self.kept, self.answers = None, [], 0

        class Ear(FrameProcessor):
            """Stands where a voice would be made of the text."""

            async def process_frame(self, frame, direction):
                await super().process_frame(frame, direction)
                if isinstance(frame, LLMTextFrame) and judge.turn.hear(frame.text):
                    judge.is_time.set()
                elif isinstance(frame, FunctionCallsStartedFrame):
                    # The answer to the results follows.
                    judge.answers += 1
                elif isinstance(frame, MetricsFrame):
                    for data in frame.data:
                        if isinstance(data, LLMUsageMetricsData):
                            used = data.value
                            found = (used.prompt_tokens, used.cache_read_input_tokens, used.completion_tokens)
                            judge.turn.usage.append(costs(*found, used.total_tokens))
                await self.push_frame(frame, direction)

        async def tool(params):
            judge.turn.calls.append((params.function_name, dict(params.arguments)))
            await params.result_callback({"status": "ok"})

        def schema(name):
            description, properties = TOOLS[name]
            return FunctionSchema(name, description, properties, list(properties), handler=tool)

        self.service = OpenAILLMService(
            api_key=self.key,
            base_url=URL,
            settings=OpenAILLMService.Settings(
                model=self.model,
                system_instruction=INSTRUCTIONS,
                temperature=0.2,
                max_completion_tokens=200,
                extra={"user": self.conversation, "metadata": {"room": "room-1"}},
            ),
        )
        # Pipecat's own examples open a context with such a message.
        opening = {"role": "developer", "content": "The caller is on the phone."}
        self.context = LLMContext([opening], tools=[schema(name) for name in TOOLS])
        pair = LLMContextAggregatorPair(self.context)
        params = PipelineParams(enable_metrics=True, enable_usage_metrics=True)
        self.worker = PipelineWorker(
            Pipeline([pair.user(), self.service, Ear(), pair.assistant()]),
            cancel_on_idle_timeout=False,
            enable_rtvi=False,
            params=params,
            setup_timeout_secs=PATIENCE,
            start_timeout_secs=PATIENCE,
        )
        started = asyncio.Event()

        @self.worker.event_handler("on_pipeline_started")
        async def on_started(worker, frame):
            started.set()

        @self.worker.event_handler("on_pipeline_error")
        async def on_error(worker, frame):
            judge.error = frame
            judge.is_over.set()

        @pair.assistant().event_handler("on_assistant_turn_stopped")
        async def on_stopped(aggregator, message):
            judge.kept.append(message.content)
            if len(judge.kept) == judge.answers:
                judge.is_over.set()

        self.runner = WorkerRunner(handle_sigint=False)
        await self.runner.add_workers(self.worker)
        self.running = asyncio.create_task(self.runner.run())
        await started.wait()

    async def append(self, words):
        from pipecat.frames.frames import LLMMessagesAppendFrame

        message = {"role": "user", "content": words}
        await self.worker.queue_frame(LLMMessagesAppendFrame([message], run_llm=True))

    async def say(self, words, turn):
        from pipecat.frames.frames import InterruptionWorkerFrame

        self.turn, self.kept, self.answers = turn, [], 1
        self.is_time.clear()
        self.is_over.clear()
        await self.append(words)
        if turn.until is not None:
            await self.is_time.wait()
            await self.worker.queue_frame(InterruptionWorkerFrame())
        await self.is_over.wait()
        hold(self.error is None, "no error was to come", self.error)
        kept = " ".join(text for text in self.kept if text)
        hold(kept == turn.text.strip(), "the context was to have what was said", self.kept)
        return turn

    async def close(self):
        await self.worker.cancel()
        await self.running

    async def fail(self):
        import openai

        await self.append("Many thanks.")
        await self.is_over.wait()
        hold(self.error is not None, "an error frame was to come")
        error = self.error.exception
        hold(isinstance(error, openai.APIStatusError), "the exception was to be that of `openai`", self.error)
        hold(self.error.fatal is False, "the pipeline was to go on", self.error)
        return error_facts(error)

    @staticmethod
    async def more():
        """An inference beside the pipeline, which is one without a stream."""
        client = pipecat("judge-pipecat-inference")
        await client.start()
        client.context.add_message({"role": "user", "content": "Use both tools."})
        text = await step("inference", client.service.run_inference(client.context))
        await client.close()
        tell("inference", text=text)
        hold(text == BOTH, f"the text was to be {BOTH!r}", text)


class openai_agents(Client):  # noqa: N801
    """`openai-agents`: `Runner.run_streamed` with `OpenAIChatCompletionsModel`."""

    modules = ("agents", "openai")
    tells_finish = False

    async def start(self):
        from agents import Agent, FunctionTool, ModelSettings, OpenAIChatCompletionsModel, set_tracing_disabled
        from openai import AsyncOpenAI

        set_tracing_disabled(True)
        self.turn, self.history = Turn(), []

        def tool(name):
            async def invoke(context, arguments):
                self.turn.calls.append((name, json.loads(arguments)))
                return '{"status":"ok"}'

            return FunctionTool(name, TOOLS[name][0], parameters(name), invoke)

        self.client = AsyncOpenAI(base_url=URL, api_key=self.key, max_retries=0)
        self.agent = Agent(
            name="Desk",
            instructions=INSTRUCTIONS,
            model=OpenAIChatCompletionsModel(model=self.model, openai_client=self.client),
            model_settings=ModelSettings(
                include_usage=True,
                temperature=0.2,
                max_tokens=200,
                parallel_tool_calls=True,
                metadata={"room": "room-1"},
                extra_body={"user": self.conversation},
            ),
            tools=[tool(name) for name in TOOLS],
        )

    async def close(self):
        await self.client.close()

    async def say(self, words, turn):
        from agents import Runner

        self.turn = turn
        self.history.append({"role": "user", "content": words})
        result = Runner.run_streamed(self.agent, self.history)
        async for event in result.stream_events():
            if event.type != "raw_response_event":
                continue
            if event.data.type == "response.output_text.delta" and turn.hear(event.data.delta):
                result.cancel()
        if turn.until is not None:
            self.history.append({"role": "assistant", "content": turn.text[: len(turn.text) // 2]})
            return turn
        for response in result.raw_responses:
            used = response.usage
            found = (used.input_tokens, used.input_tokens_details.cached_tokens, used.output_tokens)
            turn.usage.append(costs(*found, used.total_tokens))
        hold(turn.text.endswith(result.final_output), "the run was to end in the text", result.final_output)
        self.history = result.to_input_list()
        return turn

    async def fail(self):
        import openai

        try:
            await self.say("Many thanks.", Turn())
        except openai.APIStatusError as error:
            return error_facts(error)
        raise Wrong("no error")

    @staticmethod
    async def more():
        """Without a stream."""
        from agents import Runner

        client = openai_agents("judge-openai-agents-whole")
        await client.start()
        result = await step("whole", Runner.run(client.agent, "Please hand me over."))
        tell("whole", text=result.final_output, calls=client.turn.calls)
        hold((result.final_output, client.turn.calls) == (HANDED, [TRANSFER]), "the run", result, client.turn.calls)
        await client.close()


async def main() -> int:
    kind = {one.__name__: one for one in [openai, livekit, pipecat, openai_agents]}[CLIENT]
    for module in kind.modules:
        importlib.import_module(module)
    try:
        await judge(kind)
    except Wrong as wrong:
        print(f"{CLIENT}: {wrong}", file=sys.stderr)
        return 1
    except Exception:
        print(f"{CLIENT}: {traceback.format_exc()}", file=sys.stderr)
        return 1
    tell("over")
    return 0


sys.exit(asyncio.run(main()))
