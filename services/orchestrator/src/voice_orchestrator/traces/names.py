"""Every name that leaves in a trace.

Spans, operations and `gen_ai.*` attributes are those of OpenTelemetry's GenAI conventions (status: development) with
their page about voice agents: one `invoke_agent` a turn, and in it `speech_to_text`, `chat`, `text_to_speech` and
`execute_tool`. They may yet change; what they have no name for is ours and begins with `voice_agent.`.
"""

from typing import Final

# --- OpenTelemetry's

OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
CONVERSATION: Final = "gen_ai.conversation.id"
AGENT: Final = "gen_ai.agent.name"
END_REASON: Final = "gen_ai.agent.invocation.end_reason"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
FIRST_CHUNK_S: Final = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
CACHED_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
OUTPUT_TYPE: Final = "gen_ai.output.type"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_CALL: Final = "gen_ai.tool.call.id"
TOOL_TYPE: Final = "gen_ai.tool.type"
ERROR: Final = "error.type"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
SERVICE_NAME: Final = "service.name"
SERVICE_VERSION: Final = "service.version"

INVOKE_AGENT: Final = "invoke_agent"
CHAT: Final = "chat"
SPEECH_TO_TEXT: Final = "speech_to_text"
TEXT_TO_SPEECH: Final = "text_to_speech"
EXECUTE_TOOL: Final = "execute_tool"

COMPLETED: Final = "completed"
INTERRUPTED: Final = "interrupted"
SESSION_CLOSED: Final = "session_closed"

SPEECH: Final = "speech"
FUNCTION: Final = "function"

# --- ours: spans

CALLER_SPEECH: Final = "caller_speech"
ENDPOINTING: Final = "endpointing"
END_OF_TURN: Final = "end_of_turn"
PLAYOUT: Final = "playout"
PAUSED: Final = "paused"
UNHEARD_RUN: Final = "unheard_run"

# --- ours: values and attributes

SERVICE: Final = "voice-orchestrator"
NODE: Final = "voice-inference"

TURN: Final = "voice_agent.turn.id"
ORIGIN: Final = "voice_agent.turn.origin"
ANSWERED: Final = "voice_agent.turn.answered"
SPANS_LEFT_OUT: Final = "voice_agent.turn.spans_left_out"
RUN: Final = "voice_agent.run.id"
RUN_KIND: Final = "voice_agent.run.kind"
UNHEARD: Final = "voice_agent.run.unheard"
CANCELLED: Final = "voice_agent.cancelled"
PROBABILITY: Final = "voice_agent.end_of_turn.probability"
SPECULATION: Final = "voice_agent.speculation.outcome"
SPECULATION_LEAD_MS: Final = "voice_agent.speculation.lead_ms"
SPECULATION_TOKENS: Final = "voice_agent.speculation.written_tokens"
SPECULATION_SOUND_MS: Final = "voice_agent.speculation.synthesised_ms"
SEGMENT: Final = "voice_agent.segment.index"
SOUND_MS: Final = "voice_agent.segment.sound_ms"
PLAYED_MS: Final = "voice_agent.playout.played_ms"
INTERRUPTION_OUTCOME: Final = "voice_agent.interruption.outcome"
INTERRUPTION_CAUSE: Final = "voice_agent.interruption.cause"
QUEUED_MS: Final = "voice_agent.node.queued_ms"
WORK_MS: Final = "voice_agent.node.work_ms"
LATENCY_MS: Final = "voice_agent.latency."
"""Before the stage of a TurnLatency and `_ms`."""
