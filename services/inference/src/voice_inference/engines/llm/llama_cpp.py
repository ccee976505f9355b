"""llama.cpp in this process: the embedded language model.

One context with many sequences: the replies of several sessions are written together, a token of each in every step,
and every session finds what it shares with its last turn, or with another session, in the cache.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from llama_cpp.llama_chat_format import Jinja2ChatFormatter

from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.messages import ChatMessage, ChatRole, EngineDescription
from voice_inference.clock import monotonic_s
from voice_inference.core_turns import CoreTurns
from voice_inference.engines.base import CancelToken, LlmItem, LlmRequest
from voice_inference.engines.llm.batched_writer import BatchedWriter, Follows, ReplySettings, WriteJob
from voice_inference.engines.llm.item_stream import ItemStream
from voice_inference.engines.llm.llama_context import LlamaContext, TokenRow
from voice_inference.engines.llm.prompt_fit import fit_messages
from voice_inference.engines.llm.requantized import check_precision, requantized
from voice_inference.engines.llm.sequence_table import SequenceTable, Trim
from voice_inference.engines.llm.step_plan import STEP_TOKENS

T = TypeVar("T")

SEQUENCES_FOR_ONE_REPLY: Final = 4
"""Conversations that may be kept for each reply written at a time; they cost nothing but the cells they hold."""

CONCURRENCY_MAX: Final = 64
"""llama.cpp takes 256 sequences."""

END_TEXTS: Final = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>")

FULL_STOPS: Final = (".", "?", "!")
CLOSING: Final = " .?!,;:\u2026-"
"""What engines put behind the last word whether the sentence is over or not."""


class LlamaCpp:
    """One GGUF model with one context. It takes no tools: models small enough for it do not use them with sense."""

    def __init__(
        self,
        model_file: Path,
        *,
        model: str,
        device: str,
        threads: int,
        context_tokens: int,
        repeat_penalty: float,
        turns: CoreTurns,
        precision: str = "",
        concurrency: int = 4,
        cache_tokens: int = 0,
    ) -> None:
        """`context_tokens`: the longest prompt with its reply. `precision`: what the weights are brought to, empty for
        that of the file. `concurrency`: replies written at once. `cache_tokens`: tokens kept for all sessions together,
        at least `context_tokens`; 0: twice as many as that.
        """
        check_precision(precision)
        if not 1 <= concurrency <= CONCURRENCY_MAX:
            raise _failure(
                f"llama-cpp writes 1 to {CONCURRENCY_MAX} replies at once, not {concurrency}: set concurrency"
            )
        self._file, self._name, self._device, self._threads = model_file, model, device, threads
        self._precision = precision
        self._context_tokens, self._concurrency = context_tokens, concurrency
        self._cells = max(context_tokens, cache_tokens or 2 * context_tokens)
        self._sequences = concurrency * SEQUENCES_FOR_ONE_REPLY
        self._formatter: Jinja2ChatFormatter | None = None
        self._sentence_ends: frozenset[int] = frozenset()
        self._writer = BatchedWriter(
            concurrency=concurrency,
            table=SequenceTable(sequences=self._sequences, cells=self._cells),
            repeat_penalty=repeat_penalty,
            turns=turns,
            threads=threads if device == "cpu" else 0,
        )

    @property
    def depth(self) -> int:
        """Requests waiting."""
        return self._writer.depth

    def describe(self) -> EngineDescription:
        """What it is."""
        return EngineDescription(
            stage=Stage.LLM,
            engine="llama-cpp",
            model=self._name,
            device=self._device,
            precision=self._precision or "gguf",
            streaming=True,
            concurrency=self._concurrency,
            scores_words=True,
        )

    async def start(self) -> None:
        """Loads the model and evaluates a word."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[object] = loop.create_future()

        def settle(error: object) -> None:
            if not done.done():
                done.set_result(error)

        def loaded(error: object) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, error)

        self._writer.start(self._load, loaded)
        error = await done
        if isinstance(error, BaseException):
            raise error

    def generate(self, request: LlmRequest, cancel: CancelToken) -> AsyncIterator[LlmItem]:
        """See LlmEngine.generate."""
        max_tokens = min(request.max_tokens, self._context_tokens // 2)
        reply = ReplySettings(
            max_tokens=max_tokens,
            temperature=request.temperature,
            top_p=request.top_p,
            seed=request.seed,
            stop=request.stop,
        )

        def prompt(context: LlamaContext) -> list[int]:
            room = self._context_tokens - max_tokens - 1
            messages = fit_messages(request.messages, lambda kept: len(self._tokens(context, kept)), room)
            return self._tokens(context, messages)[-room:]

        return self._stream(request.session_id, prompt, reply, request.deadline_s, cancel)

    async def prime(self, session_id: str, messages: tuple[ChatMessage, ...], cancel: CancelToken) -> None:
        """See LlmEngine.prime."""

        def prompt(context: LlamaContext) -> list[int]:
            return self._tokens(context, messages, reply=False)[: self._context_tokens]

        async for _ in self._stream(session_id, prompt, None, monotonic_s(), cancel):
            pass

    async def score_words(self, session_id: str, messages: tuple[ChatMessage, ...], cancel: CancelToken) -> float:
        """See LlmEngine.score_words: the model is asked what it would write behind the last word."""
        words = replace(messages[-1], text=messages[-1].text.rstrip(CLOSING))
        if not words.text:
            raise _failure("there are no words to score")

        def prompt(context: LlamaContext) -> list[int]:
            room = self._context_tokens - 1
            asked = (*messages[:-1], words)
            fitting = fit_messages(asked, lambda kept: len(self._tokens(context, kept)), room)
            return self._tokens_to(context, fitting)[-room:]

        stream = ItemStream[Follows](self._writer.wake)
        job = WriteJob(
            session_id=session_id,
            prompt=prompt,
            reply=None,
            deadline_s=monotonic_s(),
            cancel=cancel,
            stream=stream,
            asked=lambda: self._sentence_ends,
        )
        async for verdict in self._items(job, stream):
            return verdict.probability
        raise _failure("the words were not scored")

    async def forget(self, session_id: str) -> None:
        """See LlmEngine.forget."""
        self._writer.forget(session_id)

    async def close(self) -> None:
        """Ends the thread, which gives the model back."""
        await asyncio.to_thread(self._writer.close, 0.5)

    async def _stream(
        self,
        session_id: str,
        prompt: Callable[[LlamaContext], list[int]],
        reply: ReplySettings | None,
        deadline_s: float,
        cancel: CancelToken,
    ) -> AsyncIterator[LlmItem]:
        """What the writer makes; a consumer that leaves early cancels the work."""
        stream = ItemStream[LlmItem](self._writer.wake)
        job = WriteJob(
            session_id=session_id, prompt=prompt, reply=reply, deadline_s=deadline_s, cancel=cancel, stream=stream
        )
        async for item in self._items(job, stream):
            yield item

    async def _items(self, job: WriteJob, stream: ItemStream[T]) -> AsyncIterator[T]:
        self._writer.submit(job)
        finished = False
        try:
            async for item in stream.read():
                yield item
            finished = True
        finally:
            if not finished:
                job.cancel.cancel()

    # --- on the writer's thread

    def _load(self) -> tuple[LlamaContext, frozenset[int]]:
        try:
            with requantized(self._file, self._precision, threads=self._threads) as weights:
                context = LlamaContext(
                    weights,
                    gpu=self._device.startswith("cuda"),
                    threads=self._threads,
                    cells=self._cells,
                    sequences=self._sequences,
                    rows=STEP_TOKENS + self._concurrency,
                    wanted=self._concurrency + 1,
                )
        except ValueError as error:
            raise _failure(f"llama.cpp cannot load {self._file.name}: {error}") from error
        template = context.chat_template()
        if template is None:
            context.close()
            raise _failure(f"{self._file.name} has no chat template; choose an instruct model")
        self._formatter = Jinja2ChatFormatter(template=template, eos_token="", bos_token="")
        ends = {context.end_token(), *_single_tokens(context, END_TEXTS)}
        self._sentence_ends = frozenset(ends | _single_tokens(context, FULL_STOPS))
        hello = self._tokens(context, (ChatMessage(role=ChatRole.USER, text="Hello."),))[:STEP_TOKENS]
        context.evaluate([TokenRow(token, at, 0, wanted=at == 0) for at, token in enumerate(hello)])
        context.change((Trim(0, 0),))
        return context, frozenset(ends)

    def _tokens(self, context: LlamaContext, messages: tuple[ChatMessage, ...], *, reply: bool = True) -> list[int]:
        """Tokens of the conversation in the model's own chat format, with the beginning of a reply when wanted."""
        return context.tokenize(self._rendered(messages, reply=reply))

    def _tokens_to(self, context: LlamaContext, messages: tuple[ChatMessage, ...]) -> list[int]:
        """Tokens of the conversation up to the last word of its last message."""
        rendered, last = self._rendered(messages, reply=False), messages[-1].text
        return context.tokenize(rendered[: rendered.rindex(last) + len(last)])

    def _rendered(self, messages: tuple[ChatMessage, ...], *, reply: bool) -> str:
        formatter = self._formatter
        if formatter is None:
            raise _failure("the model is not loaded")
        # What is said of tools means nothing to these models, and their templates may refuse it.
        chat = [
            {"role": message.role.value, "content": message.text}
            for message in messages
            if message.role is not ChatRole.TOOL and (message.text or not message.tool_call_id)
        ]
        rendered: str = formatter._environment.render(
            messages=chat, add_generation_prompt=reply, bos_token="", eos_token="", raise_exception=_raise_template
        )
        return rendered


def _single_tokens(context: LlamaContext, texts: Sequence[str]) -> set[int]:
    """The tokens of those `texts` that are one."""
    return {tokens[0] for tokens in map(context.tokenize, texts) if len(tokens) == 1}


def _raise_template(message: str) -> None:
    raise _failure(f"the model's chat template refuses the conversation: {message}")


def _failure(detail: str) -> VoiceAgentError:
    return VoiceAgentError(Failure(stage=Stage.LLM, reason=FailureReason.ENGINE_ERROR, detail=detail))
