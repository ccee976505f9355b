"""Any server that speaks the OpenAI chat API: vLLM, llama.cpp's server, LM Studio and the like."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final, cast

import openai
from openai import AsyncOpenAI
from openai.types.chat.chat_completion_chunk import ChoiceDeltaToolCall

from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.messages import ChatMessage, EngineDescription, FinishReason
from voice_inference.engines.base import CancelToken, LlmEnd, LlmItem, LlmRequest, LlmText, LlmToolRequest
from voice_inference.engines.llm.cancellable import cancellable
from voice_inference.engines.llm.tool_messages import json_object, openai_messages, tool_declarations

SILENT_S: Final = 30.0
REACH_S: Final = 5.0


@dataclass(slots=True)
class _Call:
    """A request for a tool, which comes in pieces."""

    name: str = ""
    arguments: str = ""

    def add(self, delta: ChoiceDeltaToolCall) -> None:
        """Takes the next piece."""
        if delta.function is not None:
            self.name += delta.function.name or ""
            self.arguments += delta.function.arguments or ""

    def request(self) -> LlmToolRequest:
        """The whole request; raises VoiceAgentError when the model broke it off or wrote no JSON."""
        json_object(self.arguments, f"the arguments the model wrote for tool {self.name}")
        return LlmToolRequest(name=self.name, arguments=self.arguments.strip() or "{}")


class OpenAiCompatible:
    """A model behind a base URL. The key, if the server wants one, comes from the environment and is never logged."""

    def __init__(self, *, model: str, base_url: str, api_key: str, concurrency: int) -> None:
        self._model, self._base_url, self._concurrency = model, base_url, concurrency
        self._client = AsyncOpenAI(base_url=base_url, api_key=api_key or "not-needed", max_retries=0, timeout=SILENT_S)
        self._slots = asyncio.Semaphore(concurrency)

    def describe(self) -> EngineDescription:
        """What it is."""
        return EngineDescription(
            stage=Stage.LLM,
            engine="openai-compatible",
            model=self._model,
            device="remote",
            streaming=True,
            concurrency=self._concurrency,
            tools=True,
        )

    async def start(self) -> None:
        """Reaches the server and looks for the model."""
        try:
            async with asyncio.timeout(REACH_S):
                known = [entry.id async for entry in self._client.models.list()]
        except TimeoutError as error:
            raise self._unreachable() from error
        except openai.OpenAIError as error:
            raise self._failure_of(error) from error
        except (AttributeError, TypeError, ValueError) as error:
            raise self._foreign() from error
        if self._model not in known:
            raise self._missing()

    async def generate(self, request: LlmRequest, cancel: CancelToken) -> AsyncIterator[LlmItem]:
        """See LlmEngine.generate. A cancel closes the connection."""
        async with self._slots:
            cancel.raise_if_cancelled()
            try:
                async for item in cancellable(self._chat(request), cancel):
                    yield item
            except openai.OpenAIError as error:
                raise self._failure_of(error) from error
            except (AttributeError, TypeError, ValueError) as error:
                raise self._foreign() from error

    async def _chat(self, request: LlmRequest) -> AsyncIterator[LlmItem]:
        stream = await self._client.chat.completions.create(
            model=self._model,
            messages=cast("Any", openai_messages(request.messages)),
            tools=cast("Any", tool_declarations(request.tools)) or openai.omit,
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            top_p=request.top_p,
            seed=request.seed,
            stop=list(request.stop) or None,
            stream=True,
            stream_options={"include_usage": True},
        )
        reason, pieces, usage = FinishReason.STOP, 0, None
        calls: dict[int, _Call] = {}
        try:
            async for part in stream:
                usage = part.usage or usage
                for choice in part.choices:
                    if choice.delta.content:
                        pieces += 1
                        yield LlmText(text=choice.delta.content)
                    for delta in choice.delta.tool_calls or ():
                        calls.setdefault(delta.index, _Call()).add(delta)
                    if choice.finish_reason == "length":
                        reason = FinishReason.LENGTH
        finally:
            await stream.close()
        for _, call in sorted(calls.items()):
            reason = FinishReason.TOOLS
            yield call.request()
        details = usage.prompt_tokens_details if usage else None
        yield LlmEnd(
            reason=reason,
            prompt_tokens=usage.prompt_tokens if usage else 0,
            cached_tokens=(details.cached_tokens or 0) if details else 0,
            generated_tokens=usage.completion_tokens if usage else pieces,
            queued_us=0,
        )

    async def prime(self, session_id: str, messages: tuple[ChatMessage, ...], cancel: CancelToken) -> None:
        """The API has no way to evaluate a prompt without writing a reply to it."""

    async def score_words(self, session_id: str, messages: tuple[ChatMessage, ...], cancel: CancelToken) -> float:
        """The interface gives no probabilities of words that are not written."""
        raise _failure(FailureReason.ENGINE_ERROR, "an OpenAI-compatible server cannot score words")

    async def forget(self, session_id: str) -> None:
        """The server manages its cache."""

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()

    def _unreachable(self) -> VoiceAgentError:
        detail = f"no OpenAI-compatible server answers at {self._base_url}: start it, or set OPENAI_BASE_URL"
        return _failure(FailureReason.ENGINE_UNREACHABLE, detail)

    def _foreign(self) -> VoiceAgentError:
        detail = f"what answers at {self._base_url} does not speak the OpenAI API: set OPENAI_BASE_URL"
        return _failure(FailureReason.ENGINE_UNREACHABLE, detail)

    def _missing(self) -> VoiceAgentError:
        detail = f"the server at {self._base_url} does not have the model {self._model}"
        return _failure(FailureReason.MODEL_MISSING, detail)

    def _failure_of(self, error: openai.OpenAIError) -> VoiceAgentError:
        if isinstance(error, openai.NotFoundError):
            return self._missing()
        if isinstance(error, openai.AuthenticationError):
            detail = f"the server at {self._base_url} refuses the key: set OPENAI_API_KEY"
            return _failure(FailureReason.ENGINE_ERROR, detail)
        if isinstance(error, openai.APIConnectionError):
            return self._unreachable()
        status = getattr(error, "status_code", "unknown")
        return _failure(FailureReason.ENGINE_ERROR, f"the server at {self._base_url} answered with status {status}")


def _failure(reason: FailureReason, detail: str) -> VoiceAgentError:
    return VoiceAgentError(Failure(stage=Stage.LLM, reason=reason, detail=detail))
