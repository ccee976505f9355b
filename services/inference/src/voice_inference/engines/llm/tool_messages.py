"""Conversations and tools in the shapes that chat servers take. Pure.

The contract has one message for each request for a tool; servers want the requests of one reply in one message.
"""

import json
from collections.abc import Iterable
from typing import Any

from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.messages import ChatMessage, ChatRole, ToolDeclaration

Json = dict[str, Any]


def tool_declarations(tools: Iterable[ToolDeclaration]) -> list[Json]:
    """The tools as OpenAI and Ollama both take them; raises VoiceAgentError for a schema that is no JSON object."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": json_object(tool.parameters_schema, f"the parameters of tool {tool.name}")
                or {"type": "object", "properties": {}},
            },
        }
        for tool in tools
    ]


def openai_messages(messages: Iterable[ChatMessage]) -> list[Json]:
    """The conversation for an OpenAI-compatible server."""
    shaped: list[Json] = []
    for message in messages:
        if message.role is ChatRole.TOOL:
            shaped.append({"role": "tool", "tool_call_id": message.tool_call_id, "content": message.text})
        elif message.tool_call_id:
            function = {"name": message.tool_name, "arguments": message.tool_arguments or "{}"}
            _add_call(shaped, message, {"id": message.tool_call_id, "type": "function", "function": function})
        else:
            shaped.append({"role": message.role.value, "content": message.text})
    return shaped


def ollama_messages(messages: Iterable[ChatMessage]) -> list[Json]:
    """The conversation for Ollama, which has no ids of requests; raises VoiceAgentError for arguments that are no JSON
    object.
    """
    shaped: list[Json] = []
    for message in messages:
        if message.role is ChatRole.TOOL:
            shaped.append({"role": "tool", "tool_name": message.tool_name, "content": message.text})
        elif message.tool_call_id:
            arguments = json_object(message.tool_arguments, f"the arguments for tool {message.tool_name}")
            _add_call(shaped, message, {"function": {"name": message.tool_name, "arguments": arguments}})
        else:
            shaped.append({"role": message.role.value, "content": message.text})
    return shaped


def _add_call(shaped: list[Json], message: ChatMessage, call: Json) -> None:
    if shaped and "tool_calls" in shaped[-1] and not message.text:
        shaped[-1]["tool_calls"].append(call)
    else:
        shaped.append({"role": "assistant", "content": message.text, "tool_calls": [call]})


def json_object(text: str, what: str) -> Json:
    """The object in `text`, empty for no text; raises VoiceAgentError naming `what` when it is none."""
    try:
        value = json.loads(text) if text.strip() else {}
    except ValueError:
        value = None
    if not isinstance(value, dict):
        detail = f"{what} are not a JSON object"
        raise VoiceAgentError(Failure(stage=Stage.LLM, reason=FailureReason.ENGINE_ERROR, detail=detail))
    return value
