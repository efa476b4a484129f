"""Holds the gateway's wire forms against the vendors' own packages.

usage: dialects.py URL REPOSITORY CHECK

URL is a gateway with the actions of tests/integration/dialect, CHECK the name of a function
below. Specs are validated by the vendor's types, their objects go in as they print them, and
what comes out is validated by their types again. Exits 0 if all of it holds; says how much.
"""

import glob
import json
import os
import re
import sys
import urllib.error
import urllib.request

from pydantic import TypeAdapter

URL, REPOSITORY = sys.argv[1], sys.argv[2]
BASE = "https://gate.example.com"


def fetch(path, body=None, headers=None):
    data = body.encode() if isinstance(body, str) else body
    request = urllib.request.Request(URL + path, data=data, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def specs(name, **query):
    query = "".join(f"&{key}={value}" for key, value in query.items())
    status, found = fetch(f"/v1/tools?format={name}{query}")
    assert status == 200 and len(found) >= 1, (name, found)
    return found


def post(path, body, headers=None):
    status, answer = fetch(path, body, headers)
    assert status == 200, (path, answer)
    return answer


def lowered(name):
    """Every schema of the corpus as the dialect gets it."""
    found = []
    for path in sorted(glob.glob(os.path.join(REPOSITORY, "tests/data/dialect/lowered/*.json"))):
        with open(path, encoding="utf-8") as file:
            for names, form in json.load(file).items():
                if name in names.split(", "):
                    found.append((os.path.basename(path), form["schema"]))
    assert len(found) >= 31, len(found)
    for case, schema in found:
        hold(name, schema, case)
    return found


def schemas(schema, at="", nested=False):
    """Every schema inside of one: itself, its place, whether it is not the root."""
    if not isinstance(schema, dict):
        return
    yield schema, at, nested
    for keyword, value in schema.items():
        inner = []
        if keyword in ("properties", "$defs", "patternProperties") and isinstance(value, dict):
            inner = value.items()
        elif keyword in ("anyOf", "oneOf", "allOf", "prefixItems") and isinstance(value, list):
            inner = enumerate(value)
        elif keyword in ("items", "additionalProperties"):
            inner = [("", value)]
        for name, one in inner:
            yield from schemas(one, f"{at}/{keyword}/{name}", True)


# The keywords of parametersJsonSchema: https://ai.google.dev/api/generate-content#FIELDS.response_json_schema
GEMINI = (
    "$defs $ref type format title description enum items prefixItems minItems maxItems minimum maximum anyOf oneOf "
    "properties additionalProperties required"
).split()
# https://platform.openai.com/docs/guides/structured-outputs#some-type-specific-keywords-are-not-yet-supported
NOT_STRICT = "allOf oneOf not dependentRequired dependentSchemas if then else minLength maxLength default".split()


def hold(name, schema, case):
    """What vendors document, or answer status 400 to, and their packages do not check."""
    assert schema.get("type") in ("object", "OBJECT"), case
    if not name.startswith("openai"):
        # Anthropic: "Property keys should match pattern"; the others hand them on.
        for key in schema.get("properties", {}):
            assert re.fullmatch(r"[a-zA-Z0-9_.-]{1,64}", key), (name, case, key)
    if name != "mcp":
        # "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level"
        assert not {"oneOf", "anyOf", "allOf", "enum", "const", "not"} & set(schema), (name, case)
    if name in ("retell", "vapi", "elevenlabs"):
        assert set(schema) <= {"type", "properties", "required"}, (name, case, set(schema))
    for one, at, nested in schemas(schema):
        kinds = one.get("type", [])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if name not in ("anthropic", "gemini") and {"array", "ARRAY"} & set(kinds):
            # OpenAI: "array schema missing items"; Gemini: "items: missing field".
            # MCP keeps `false`, and the list of forms that draft-07 has there.
            assert isinstance(one.get("items"), object if name == "mcp" and "items" in one else dict), (name, case, at)
        if name.endswith(" strict"):
            assert not set(NOT_STRICT) & set(one), (name, case, at, one)
            assert {"type", "anyOf", "$ref"} & set(one), (name, case, at, one)
            if "object" in kinds:
                assert one["additionalProperties"] is False, (name, case, at)
                assert set(one["required"]) == set(one["properties"]), (name, case, at)
        if name == "gemini":
            assert set(one) <= set(GEMINI), (name, case, at, set(one))
            assert not nested or isinstance(one.get("type", ""), str) or "null" in kinds, (name, case, at)


def no_extra(model, at=""):
    """A model that keeps unknown fields must have found none."""
    assert not getattr(model, "model_extra", None), (at, model.model_extra)
    for name in type(model).model_fields:
        value = getattr(model, name)
        for one in value if isinstance(value, list) else [value]:
            if hasattr(one, "model_fields_set"):
                no_extra(one, f"{at}/{name}")
            elif isinstance(one, dict):
                for key, inner in one.items():
                    if hasattr(inner, "model_fields_set"):
                        no_extra(inner, f"{at}/{name}/{key}")


# What the model asks: an order, a tool that does not exist, arguments that do not fit, a text.
ASKED = [
    ("call_1", "get_order", {"number": "7"}),
    ("call_2", "no_such_tool", {}),
    ("call_3", "get_order", {"number": "seven"}),
    ("call_4", "hours", {}),
]


def check_texts(texts):
    assert len(texts) == 4, texts
    assert json.loads(texts[0])["status"] == "shipped", texts
    assert "unknown_tool" in texts[1] and "invalid_arguments" in texts[2], texts
    assert texts[3] == "9 to 5,\nMonday to Friday", texts


def openai_chat():
    from openai.types.chat import (
        ChatCompletion,
        ChatCompletionFunctionTool,
        ChatCompletionFunctionToolParam,
        ChatCompletionMessage,
        ChatCompletionToolMessageParam,
    )

    count = 0
    for strict in ("false", "true"):
        for spec in specs("openai-chat", strict=strict):
            tool = ChatCompletionFunctionTool.model_validate(spec, strict=True)
            no_extra(tool)
            TypeAdapter(ChatCompletionFunctionToolParam).validate_python(spec)
            assert tool.to_dict() == spec
            count += 1
    for name in ("openai-chat", "openai-chat strict"):
        for _, schema in lowered(name):
            ChatCompletionFunctionTool.model_validate(
                {"type": "function", "function": {"name": "t", "parameters": schema}}, strict=True
            )
            count += 1
    calls = [
        {"id": id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for id, name, arguments in ASKED
    ]
    message = ChatCompletionMessage.model_validate({"role": "assistant", "content": None, "tool_calls": calls})
    completion = ChatCompletion.model_validate(
        {
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-x",
            "choices": [{"index": 0, "finish_reason": "tool_calls", "logprobs": None, "message": message}],
        }
    )
    for body in (message.to_json(), completion.to_json(), message.model_dump_json()):
        answer = post("/v1/openai/chat/tool-calls", body)
        for one in answer:
            TypeAdapter(ChatCompletionToolMessageParam).validate_python(one)
        assert [one["tool_call_id"] for one in answer] == [id for id, _, _ in ASKED]
        check_texts([one["content"] for one in answer])
        count += 1
    return count


def openai_responses():
    from openai.types.responses import FunctionTool, FunctionToolParam, Response, ResponseFunctionToolCall
    from openai.types.responses.response_input_param import FunctionCallOutput

    count = 0
    for strict in ("false", "true"):
        for spec in specs("openai-responses", strict=strict):
            tool = FunctionTool.model_validate(spec, strict=True)
            no_extra(tool)
            assert tool.strict is (strict == "true")
            TypeAdapter(FunctionToolParam).validate_python(spec)
            count += 1
    for name in ("openai-responses", "openai-responses strict"):
        for _, schema in lowered(name):
            tool = {"type": "function", "name": "t", "parameters": schema, "strict": name.endswith("strict")}
            TypeAdapter(FunctionToolParam).validate_python(tool)
            count += 1
    output = [
        ResponseFunctionToolCall(
            type="function_call", id=f"fc_{id}", call_id=id, name=name, arguments=json.dumps(arguments), status="completed"
        )
        for id, name, arguments in ASKED
    ]
    response = Response.model_validate(
        {
            "id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-x", "output": output,
            "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        }
    )
    for body in (response.to_json(), json.dumps([item.to_dict() for item in output])):
        answer = post("/v1/openai/responses/tool-calls", body)
        for one in answer:
            TypeAdapter(FunctionCallOutput).validate_python(one)
        assert [one["call_id"] for one in answer] == [id for id, _, _ in ASKED]
        check_texts([one["output"] for one in answer])
        count += 1
    return count


def openai_realtime():
    from openai.types.realtime import (
        ConversationItemCreateEvent,
        RealtimeFunctionTool,
        ResponseCreateEvent,
        ResponseDoneEvent,
    )

    count = 0
    for strict in ("false", "true"):
        for spec in specs("openai-realtime", strict=strict):
            no_extra(RealtimeFunctionTool.model_validate(spec, strict=True))
            count += 1
    for name in ("openai-realtime", "openai-realtime strict"):
        for _, schema in lowered(name):
            RealtimeFunctionTool.model_validate({"type": "function", "name": "t", "parameters": schema})
            count += 1
    item = lambda id, name, arguments, status: {
        "type": "function_call", "id": f"item_{id}", "object": "realtime.item", "call_id": id,
        "name": name, "arguments": json.dumps(arguments), "status": status,
    }
    output = [item(*asked, "completed") for asked in ASKED]
    output.insert(2, item("unfinished", "get_order", {"number": "9"}, "incomplete"))
    event = ResponseDoneEvent.model_validate(
        {
            "event_id": "event_1", "type": "response.done",
            "response": {"id": "resp_1", "object": "realtime.response", "status": "completed", "output": output},
        }
    )
    answer = post("/v1/openai/realtime/tool-calls", event.to_json())
    created = [ConversationItemCreateEvent.model_validate(one, strict=True) for one in answer[:-1]]
    ResponseCreateEvent.model_validate(answer[-1], strict=True)
    assert [one.item.call_id for one in created] == [id for id, _, _ in ASKED]
    check_texts([one.item.output for one in created])
    return count + 1


def anthropic():
    from anthropic.types import Message, MessageParam, ToolParam

    count = 0
    for spec in specs("anthropic"):
        TypeAdapter(ToolParam).validate_python(spec)
        assert not {"oneOf", "allOf", "anyOf"} & set(spec["input_schema"])
        count += 1
    for _, schema in lowered("anthropic"):
        TypeAdapter(ToolParam).validate_python({"name": "t", "description": "d", "input_schema": schema})
        count += 1
    # MCP's clients hand them on.
    count += len(lowered("mcp"))
    blocks = [{"type": "text", "text": "One moment."}]
    blocks += [{"type": "tool_use", "id": id, "name": name, "input": arguments} for id, name, arguments in ASKED]
    message = Message.model_validate(
        {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": blocks,
            "stop_reason": "tool_use", "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1},
        }
    )
    answer = post("/v1/anthropic/tool-calls", message.to_json())
    TypeAdapter(MessageParam).validate_python(answer)
    assert [one["tool_use_id"] for one in answer["content"]] == [id for id, _, _ in ASKED]
    assert [one.get("is_error", False) for one in answer["content"]] == [False, True, True, False]
    check_texts([one["content"] for one in answer["content"]])
    return count + 1


def gemini():
    from google.genai import types

    count = 0
    for name in ("gemini", "gemini-schema"):
        for spec in specs(name):
            # Unknown fields are refused by these models.
            tool = types.Tool.model_validate(spec)
            assert len(tool.function_declarations) >= 5
            for declaration in tool.function_declarations:
                assert not (declaration.parameters and declaration.parameters_json_schema)
                count += 1
    for _, schema in lowered("gemini-schema"):
        types.Schema.model_validate(schema)
        count += 1
    for _, schema in lowered("gemini"):
        types.FunctionDeclaration.model_validate({"name": "t", "parametersJsonSchema": schema})
        count += 1
    parts = [types.Part(function_call=types.FunctionCall(id=id, name=name, args=arguments)) for id, name, arguments in ASKED]
    content = types.Content(role="model", parts=parts)
    for by_alias in (True, False):
        body = content.model_dump_json(exclude_none=True, by_alias=by_alias)
        answer = post("/v1/gemini/tool-calls", body)
        given = [part.function_response for part in types.Content.model_validate(answer).parts]
        assert [one.id for one in given] == [id for id, _, _ in ASKED]
        assert given[0].response["output"]["status"] == "shipped", given
        assert "unknown_tool" in given[1].response["error"] and "invalid_arguments" in given[2].response["error"]
        assert given[3].response["output"] == "9 to 5,\nMonday to Friday"
        count += 1
    calls = [part.function_call for part in parts]
    message = types.LiveServerMessage(tool_call=types.LiveServerToolCall(function_calls=calls))
    for by_alias in (True, False):
        answer = post("/v1/gemini/tool-calls", message.model_dump_json(exclude_none=True, by_alias=by_alias))
        reply = types.LiveClientMessage.model_validate(answer)
        assert len(reply.tool_response.function_responses) == 4
        count += 1
    return count


def retell():
    from retell.lib import webhook_auth
    from retell.types.llm_create_params import GeneralToolCustomTool

    count = 0
    for spec in specs("retell", base_url=BASE):
        TypeAdapter(GeneralToolCustomTool).validate_python(spec)
        assert set(spec) <= set(GeneralToolCustomTool.__annotations__), spec
        assert spec["speak_during_execution"] == (spec["name"] == "full"), spec
        count += 1
    for _, schema in lowered("retell"):
        tool = {"type": "custom", "name": "t", "url": BASE, "speak_after_execution": True, "parameters": schema}
        tool["speak_during_execution"] = False
        TypeAdapter(GeneralToolCustomTool).validate_python(tool)
        count += 1
    key, path = "key_retell_1", "/webhooks/retell/development"
    lib = webhook_auth.symmetric
    for text in ("ascii", "Zoë Straße 東京 \U0001f600", 'quotes " and \\ and \n'):
        body = json.dumps({"name": "add_note", "args": {"text": text}, "call": {"call_id": f"c-{count}"}}, ensure_ascii=False)
        signature = lib["sign"](body, key)
        assert lib["verify"](body, key, signature) and webhook_auth.verify(body, key, signature)
        answer = post(path, body, {"X-Retell-Signature": signature})
        assert answer["body"]["status"] == "shipped", answer
        for wrong_body, wrong in ((body + " ", signature), (body, lib["sign"](body, "key_retell_2"))):
            assert not lib["verify"](wrong_body, key, wrong)
            assert fetch(path, wrong_body, {"X-Retell-Signature": wrong})[0] == 401
        count += 1
    # Of the signatures at the edge of the five minutes, the same are taken.
    import time

    body, now = json.dumps({"name": "hours", "args": {}, "call": {"call_id": "edge"}}), int(time.time() * 1000)
    for age in (-310_000, -280_000, 0, 280_000, 310_000):
        signature = lib["sign"](body, key, now - age)
        status, _ = fetch(path, body, {"X-Retell-Signature": signature})
        assert (status == 200) == bool(lib["verify"](body, key, signature)), age
        count += 1
    return count


def elevenlabs():
    from elevenlabs.types.tool_request_model import ToolRequestModel

    count = 0
    for spec in specs("elevenlabs", base_url=BASE):
        model = ToolRequestModel.model_validate(spec)
        no_extra(model)
        config = model.tool_config
        assert config.type == "webhook" and 5 <= config.response_timeout_secs <= 300
        assert config.api_schema.request_headers["Callgate-Conversation-Id"].variable_name
        assert config.pre_tool_speech == ("force" if config.name == "full" else None)
        count += 1
    for name, schema in lowered("elevenlabs"):
        config = {"name": "t", "description": "d", "type": "webhook"}
        config["api_schema"] = {"url": BASE, "method": "POST", "request_body_schema": schema}
        model = ToolRequestModel.model_validate({"tool_config": config})
        no_extra(model, name)
        count += 1
    return count


def vapi():
    from vapi.types import CreateFunctionToolDto, ServerMessageResponseToolCalls
    from vapi.types.open_ai_function import OpenAiFunction

    count = 0
    for spec in specs("vapi", base_url=BASE):
        assert spec.pop("type") == "function"  # the SDK's models carry it by their names
        model = CreateFunctionToolDto.model_validate(spec)
        no_extra(model.server)
        no_extra(model.function)
        said = [no_extra(message) or message.type for message in model.messages or []]
        spoken = ["request-start", "request-response-delayed", "request-failed"]
        assert said == (spoken if model.function.name == "full" else []), said
        count += 1
    for name, schema in lowered("vapi"):
        no_extra(OpenAiFunction.model_validate({"name": "t", "parameters": schema}), name)
        count += 1
    calls = [{"id": id, "name": name, "arguments": arguments} for id, name, arguments in ASKED]
    body = json.dumps({"message": {"type": "tool-calls", "call": {"id": "v"}, "toolCallList": calls}})
    answer = post("/webhooks/vapi/development", body)
    reply = ServerMessageResponseToolCalls.model_validate(answer)
    no_extra(reply)
    assert [one.tool_call_id for one in reply.results] == [id for id, _, _ in ASKED]
    assert [one.error is None for one in reply.results] == [True, False, False, True]
    return count + 1


checks = {
    check.__name__: check
    for check in (openai_chat, openai_responses, openai_realtime, anthropic, gemini, retell, elevenlabs, vapi)
}
print(f"{sys.argv[3]}: {checks[sys.argv[3]]()} held")
