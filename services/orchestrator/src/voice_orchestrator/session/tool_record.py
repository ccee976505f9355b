"""A tool call as the conversation remembers it."""

from voice_contract.messages import ChatRole
from voice_orchestrator.session.state import Said, ToolCall


def tool_entries(call: ToolCall, spoken: str = "") -> tuple[Said, Said]:
    """What the agent asked for, after what it had `spoken`, and what came back."""
    name = f"call-{call.id}"
    asked = Said(
        role=ChatRole.ASSISTANT, text=spoken, tool_call_id=name, tool_name=call.name, tool_arguments=call.arguments
    )
    return asked, Said(role=ChatRole.TOOL, text=call.result, tool_call_id=name, tool_name=call.name)
