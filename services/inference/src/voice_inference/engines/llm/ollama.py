"""Ollama through its official client."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Final

import httpx
from ollama import AsyncClient, ChatResponse, ResponseError

from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.messages import ChatMessage, EngineDescription, FinishReason
from voice_inference.engines.base import CancelToken, LlmEnd, LlmItem, LlmRequest, LlmText, LlmToolRequest
from voice_inference.engines.llm.cancellable import cancellable
from voice_inference.engines.llm.tool_messages import ollama_messages, tool_declarations

CONNECT_S: Final = 2.0
SILENT_S: Final = 30.0
"""The longest wait for the next piece: a model that is being loaded into a GPU answers late."""

KEEP_ALIVE: Final = "30m"
DETAIL_CHARS_MAX: Final = 200


class Ollama:
    """A model served by an Ollama server; the server caches prompt prefixes itself."""

    def __init__(self, *, model: str, host: str, device: str, concurrency: int, context_tokens: int) -> None:
        self._model, self._host, self._device = model, host, device
        self._concurrency, self._context_tokens = concurrency, context_tokens
        timeout = httpx.Timeout(SILENT_S, connect=CONNECT_S)
        self._client = AsyncClient(host=host, timeout=timeout)
        self._slots = asyncio.Semaphore(concurrency)

    def describe(self) -> EngineDescription:
        """What it is."""
        return EngineDescription(
            stage=Stage.LLM,
            engine="ollama",
            model=self._model,
            device=self._device,
            streaming=True,
            concurrency=self._concurrency,
            tools=True,
        )

    async def start(self) -> None:
        """Reaches the server, looks for the model and has it loaded."""
        try:
            async with asyncio.timeout(CONNECT_S + 3):
                known = [entry.model or "" for entry in (await self._client.list()).models]
        except (ConnectionError, httpx.HTTPError, TimeoutError) as error:
            raise self._unreachable() from error
        except ResponseError as error:
            raise self._refused(error) from error
        except ValueError as error:
            raise self._foreign() from error
        if not any(name in (self._model, f"{self._model}:latest") for name in known):
            raise self._missing()
        try:
            async with asyncio.timeout(120):
                await self._client.generate(model=self._model, prompt="", keep_alive=KEEP_ALIVE)
        except (ConnectionError, httpx.HTTPError, TimeoutError) as error:
            raise self._unreachable() from error
        except ResponseError as error:
            raise self._refused(error) from error

    async def generate(self, request: LlmRequest, cancel: CancelToken) -> AsyncIterator[LlmItem]:
        """See LlmEngine.generate. A cancel closes the connection, which stops the server's work."""
        async with self._slots:
            cancel.raise_if_cancelled()
            try:
                async for item in cancellable(self._chat(request), cancel):
                    yield item
            except (ConnectionError, httpx.HTTPError) as error:
                raise self._unreachable() from error
            except ResponseError as error:
                raise self._refused(error) from error
            except ValueError as error:
                raise self._foreign() from error

    async def _chat(self, request: LlmRequest) -> AsyncIterator[LlmItem]:
        options: dict[str, object] = {
            "num_predict": request.max_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "seed": request.seed,
            "stop": list(request.stop),
            "num_ctx": self._context_tokens,
        }
        stream = await self._client.chat(
            model=self._model,
            messages=ollama_messages(request.messages),
            tools=tool_declarations(request.tools) or None,
            stream=True,
            options=options,
            keep_alive=KEEP_ALIVE,
        )
        asked = False
        async for part in stream:
            if part.message.content:
                yield LlmText(text=part.message.content)
            for call in part.message.tool_calls or ():
                asked = True
                arguments = json.dumps(dict(call.function.arguments), ensure_ascii=False)
                yield LlmToolRequest(name=call.function.name, arguments=arguments)
            if part.done:
                yield _end(part, asked=asked)
                return
        raise _failure(FailureReason.ENGINE_ERROR, "Ollama ended a reply without finishing it")

    async def prime(self, session_id: str, messages: tuple[ChatMessage, ...], cancel: CancelToken) -> None:
        """Has the server evaluate the prompt; it keeps the result in the slot's cache."""
        del session_id
        if self._slots.locked():
            return
        async with self._slots:
            cancel.raise_if_cancelled()
            async for _ in cancellable(self._evaluate(messages), cancel):
                pass

    async def _evaluate(self, messages: tuple[ChatMessage, ...]) -> AsyncIterator[ChatResponse]:
        """Asks for one token; as a stream, so that a cancel closes the connection."""
        yield await self._client.chat(
            model=self._model,
            messages=ollama_messages(messages),
            options={"num_predict": 1, "num_ctx": self._context_tokens},
            keep_alive=KEEP_ALIVE,
        )

    async def score_words(self, session_id: str, messages: tuple[ChatMessage, ...], cancel: CancelToken) -> float:
        """The interface gives no probabilities of words that are not written."""
        raise _failure(FailureReason.ENGINE_ERROR, "Ollama cannot score words")

    async def forget(self, session_id: str) -> None:
        """The server manages its cache."""

    async def close(self) -> None:
        """Closes the connections."""
        await self._client._client.aclose()

    def _unreachable(self) -> VoiceAgentError:
        detail = f"Ollama does not answer at {self._host}: start it with `ollama serve`, or set OLLAMA_HOST"
        return _failure(FailureReason.ENGINE_UNREACHABLE, detail)

    def _missing(self) -> VoiceAgentError:
        detail = f"Ollama at {self._host} does not have {self._model}: run `ollama pull {self._model}`"
        return _failure(FailureReason.MODEL_MISSING, detail)

    def _refused(self, error: ResponseError) -> VoiceAgentError:
        if error.status_code == 404:
            return self._missing()
        # The client says -1 for an error in the middle of a stream.
        status = f" with status {error.status_code}" if error.status_code > 0 else ""
        return _failure(FailureReason.ENGINE_ERROR, f"Ollama answered{status}: {error.error[:DETAIL_CHARS_MAX]}")

    def _foreign(self) -> VoiceAgentError:
        detail = f"what answers at {self._host} is not Ollama: set OLLAMA_HOST"
        return _failure(FailureReason.ENGINE_UNREACHABLE, detail)


def _end(part: ChatResponse, *, asked: bool) -> LlmEnd:
    written = FinishReason.LENGTH if part.done_reason == "length" else FinishReason.STOP
    return LlmEnd(
        reason=FinishReason.TOOLS if asked else written,
        prompt_tokens=part.prompt_eval_count or 0,
        cached_tokens=0,
        generated_tokens=part.eval_count or 0,
        queued_us=0,
    )


def _failure(reason: FailureReason, detail: str) -> VoiceAgentError:
    return VoiceAgentError(Failure(stage=Stage.LLM, reason=reason, detail=detail))
