"""A scripted node whose model asks for a tool first and then says what the tool answered."""

from support.scripted_inference import Behaviour, ScriptedInference, ScriptedStream

from voice_contract import messages as m


class AskingNode:
    """Implements InferenceConnector. `prompts`: what every reply was written from. `asks`: arguments it asks with."""

    def __init__(self, tool: str, asks: list[str]) -> None:
        self._inner = ScriptedInference(Behaviour(answers_generate=False))
        self._tool = tool
        self.asks = asks
        self.prompts: list[tuple[m.ChatMessage, ...]] = []

    async def open(self, session_id: str, configure: m.SessionConfigure) -> "AskingStream":
        return AskingStream(self, await self._inner.open(session_id, configure))

    def write(self, stream: ScriptedStream, prompt: m.Generate, run_id: int) -> None:
        """Asks for the tool, or says what came back; nothing left to ask says so."""
        self.prompts.append(prompt.messages)
        last = prompt.messages[-1]
        reason = m.FinishReason.STOP
        if last.role is m.ChatRole.TOOL:
            self._say(stream, f"It says {last.text}.", run_id)
        elif self.asks:
            reason = m.FinishReason.TOOLS
            stream.say(m.ToolRequested(call_index=0, name=self._tool, arguments=self.asks.pop(0)), run_id)
        else:
            self._say(stream, "Very well.", run_id)
        ended = m.GenerationEnded(
            reason=reason, prompt_tokens=9, cached_tokens=0, generated_tokens=9, timing=m.WorkTiming()
        )
        stream.say(ended, run_id)

    def _say(self, stream: ScriptedStream, text: str, run_id: int) -> None:
        stream.say(m.Transcript(speaker=m.Speaker.AGENT, kind=m.TranscriptKind.DELTA, text=text), run_id)


class AskingStream:
    """Implements InferenceStream."""

    def __init__(self, node: AskingNode, inner: ScriptedStream) -> None:
        self._node = node
        self._inner = inner
        self.ready = inner.ready
        self.address = inner.address

    async def send(self, payload: m.Payload, run_id: int = 0) -> None:
        await self._inner.send(payload, run_id)
        if isinstance(payload, m.Generate):
            self._node.write(self._inner, payload, run_id)

    async def receive(self) -> m.Event:
        return await self._inner.receive()

    async def close(self) -> None:
        await self._inner.close()
