"""Drives the MCP server with the clients that teams use.

usage: mcp_clients.py URL KEY PROGRAM PROJECT CHECK

URL is `/mcp/{environment}` of a gateway with the actions of tests/integration/mcp, KEY its key,
PROGRAM the binary, PROJECT a directory with the same actions, CHECK the name of a function
below. Each client lists and calls by its own means. Exits 0 if all of it holds; says how much.
"""

import asyncio
import json
import sys

URL, KEY, PROGRAM, PROJECT = sys.argv[1:5]
HEADERS = {"Authorization": f"Bearer {KEY}"}
NAMES = ["add_note", "get_order", "get_rates", "greet", "hours"]
RATES = {"customer": "c1", "usd": 1.5}
STDIO = ["mcp", "--project", PROJECT, "--environment", "development"]
held = 0


def hold(condition, *what):
    global held
    assert condition, what
    held += 1


def field(model, new, old):
    """A member by its name in version 2 of the package, else in version 1."""
    return getattr(model, new) if hasattr(model, new) else getattr(model, old)


async def session(client):
    """What holds of a `ClientSession`, or of a client with the same methods."""
    listed = await client.list_tools()
    tools = {tool.name: tool for tool in getattr(listed, "tools", listed)}
    hold(sorted(tools) == NAMES, tools)
    hints = tools["get_order"].annotations
    hold(field(hints, "read_only_hint", "readOnlyHint") is True, hints)
    hints = tools["greet"].annotations
    hold(field(hints, "destructive_hint", "destructiveHint") is True, hints)
    hold(field(tools["get_rates"], "output_schema", "outputSchema")["required"] == ["usd"], tools)
    # The client itself holds it against the schema.
    result = await client.call_tool("get_rates", {})
    hold(field(result, "structured_content", "structuredContent") == RATES, result)
    hold(json.loads(result.content[0].text) == RATES, result)
    result = await client.call_tool("hours", {})
    hold(result.content[0].text == "9 to 5,\nMonday to Friday", result)


async def broken(client, **more):
    result = await client.call_tool("get_order", {"number": "seven"}, **more)
    hold(field(result, "is_error", "isError") is True, result)
    hold("invalid_arguments" in result.content[0].text, result)


async def variables(client):
    """The calls of a session share what one of them learned."""
    await client.call_tool("get_order", {"number": "7"})
    result = await client.call_tool("greet", {})
    hold(not field(result, "is_error", "isError"), result)


async def official(mode):
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    async with httpx2.AsyncClient(headers=HEADERS) as http:
        async with Client(streamable_http_client(URL, http_client=http), mode=mode) as client:
            await session(client)
            await broken(client)
            if mode == "legacy":
                await variables(client)


async def mcp_sessions():
    await official("legacy")


async def mcp_stateless():
    await official("2026-07-28")


async def mcp_auto():
    await official("auto")


async def mcp_stdio():
    from mcp import Client, StdioServerParameters

    async with Client(StdioServerParameters(command=PROGRAM, args=STDIO)) as client:
        await session(client)
        await broken(client)


async def fastmcp():
    from fastmcp import Client
    from fastmcp.client.transports import StdioTransport, StreamableHttpTransport

    for transport in [StreamableHttpTransport(URL, headers=HEADERS), StdioTransport(PROGRAM, STDIO)]:
        async with Client(transport) as client:
            await session(client)
            await broken(client, raise_on_error=False)
            result = await client.call_tool("get_rates", {})
            hold(result.data is not None and result.data.usd == 1.5, result)


async def livekit():
    from livekit.agents.llm import ToolError
    from livekit.agents.llm.mcp import MCPServerHTTP

    # Its own timeouts are 5 seconds each.
    patience = {"timeout": 60, "client_session_timeout_seconds": 60}
    server = MCPServerHTTP(URL, transport_type="streamable_http", headers=HEADERS, **patience)
    await server.initialize()
    tools = {tool.info.name: tool for tool in await server.list_tools()}
    hold(sorted(tools) == NAMES, tools)
    result = await tools["get_rates"]({})
    hold(json.loads(json.loads(result)["text"]) == RATES, result)
    await tools["get_order"]({"number": "7"})
    await tools["greet"]({})
    try:
        await tools["get_order"]({"number": "seven"})
        hold(False, "no error")
    except ToolError as error:
        hold("invalid_arguments" in str(error), error)
    await server.aclose()


async def pipecat():
    """As an LLM service calls what a model asked for, without the model."""
    from mcp.client.session_group import StreamableHttpParameters
    from pipecat.services.llm_service import FunctionCallParams
    from pipecat.services.mcp_service import MCPClient

    client = MCPClient(server_params=StreamableHttpParameters(url=URL, headers=HEADERS))
    schema = await client.tools()
    tools = {tool.name: tool for tool in schema.standard_tools}
    hold(sorted(tools) == NAMES, tools)
    for name, arguments, expected in [
        ("get_rates", {}, '"usd"'),
        ("get_order", {"number": "seven"}, "invalid_arguments"),
        ("get_order", {"number": "7"}, '"customer"'),
        ("greet", {}, '"customer"'),
    ]:
        told = []

        async def back(result, **_):
            told.append(result)

        params = FunctionCallParams(
            function_name=name,
            tool_call_id="call_1",
            arguments=arguments,
            llm=None,
            pipeline_worker=None,
            context=None,
            result_callback=back,
        )
        await tools[name].handler(params)
        hold(len(told) == 1 and expected in str(told[0]), name, told)
    await client.close()


async def langchain():
    """Stands on version 1 of the official package, so this is that one's judge too."""
    from langchain_core.tools import ToolException
    from langchain_mcp_adapters.client import MultiServerMCPClient

    client = MultiServerMCPClient(
        {
            "http": {"transport": "streamable_http", "url": URL, "headers": HEADERS},
            "stdio": {"transport": "stdio", "command": PROGRAM, "args": STDIO},
        }
    )
    for server in ["http", "stdio"]:
        tools = {tool.name: tool for tool in await client.get_tools(server_name=server)}
        hold(sorted(tools) == NAMES, tools)
        hold(tools["get_order"].metadata["readOnlyHint"] is True, tools["get_order"].metadata)
        result = await tools["get_rates"].ainvoke({})
        hold("1.5" in str(result), result)
        try:
            result = await tools["get_order"].ainvoke({"number": "seven"})
            hold("invalid_arguments" in str(result), result)
        except ToolException as error:
            hold("invalid_arguments" in str(error), error)
        async with client.session(server) as one:
            await session(one)
            await broken(one)
            await variables(one)


check = sys.argv[5]
asyncio.run(asyncio.wait_for({
    one.__name__: one
    for one in [mcp_sessions, mcp_stateless, mcp_auto, mcp_stdio, fastmcp, livekit, pipecat, langchain]
}[check](), 90))
print(f"{check}: {held} held")
