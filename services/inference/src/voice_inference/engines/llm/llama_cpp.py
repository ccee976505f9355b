"""llama.cpp in this process: the embedded language model.

One context with one sequence: requests are served one after the other by one thread, and the cache holds the prompt of
the last one, so that turns of one session share their beginning. Long prompts are evaluated in small pieces between
which a cancel is noticed.
"""

import codecs
import ctypes
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import llama_cpp
from llama_cpp import Llama
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.messages import ChatMessage, ChatRole, EngineDescription, FinishReason
from voice_inference.clock import monotonic_s
from voice_inference.courtesy import Courtesy
from voice_inference.engines.base import CancelToken, LlmEnd, LlmItem, LlmRequest, LlmText
from voice_inference.engines.llm.prompt_fit import fit_messages
from voice_inference.engines.llm.stop_filter import StopFilter
from voice_inference.lanes import JobTiming, Lane

PREFILL_TOKENS: Final = 32
"""Prompt tokens evaluated between two looks at the cancel: about 30 ms on two cores."""

LANE_QUEUE_MAX: Final = 32
PRIME_DUE_S: Final = 30.0


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
def _log_nothing(level: int, text: bytes, user_data: ctypes.c_void_p) -> None:
    """llama.cpp writes to stderr unless it is given somebody to tell."""


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
        courtesy: Courtesy,
    ) -> None:
        self._file, self._name, self._device = model_file, model, device
        self._threads, self._context_tokens, self._repeat_penalty = threads, context_tokens, repeat_penalty
        self._courtesy = courtesy
        self._lane = Lane("llm", threads=1, queue_max=LANE_QUEUE_MAX, stage=Stage.LLM)
        self._llama: Llama | None = None
        self._formatter: Jinja2ChatFormatter | None = None
        self._end_tokens: frozenset[int] = frozenset()

    @property
    def lane(self) -> Lane:
        """Its one worker."""
        return self._lane

    def describe(self) -> EngineDescription:
        """What it is."""
        return EngineDescription(
            stage=Stage.LLM,
            engine="llama-cpp",
            model=self._name,
            device=self._device,
            precision="gguf",
            streaming=True,
            concurrency=1,
        )

    async def start(self) -> None:
        """Loads the model and writes one token."""
        await self._lane.run(self._load, deadline_s=monotonic_s(), cancel=CancelToken())

    def _load(self) -> None:
        llama_cpp.llama_log_set(_log_nothing, ctypes.c_void_p(0))
        try:
            llama = Llama(
                str(self._file),
                n_ctx=self._context_tokens,
                n_batch=256,
                n_threads=self._threads,
                n_threads_batch=self._threads,
                n_gpu_layers=-1 if self._device.startswith("cuda") else 0,
                verbose=False,
            )
        except (ValueError, RuntimeError) as error:
            raise _failure(f"llama.cpp cannot load {self._file.name}: {error}") from error
        template = llama.metadata.get("tokenizer.chat_template")
        if template is None:
            raise _failure(f"{self._file.name} has no chat template; choose an instruct model")
        self._formatter = Jinja2ChatFormatter(template=template, eos_token="", bos_token="")
        ends = {llama.token_eos()}
        for text in (b"<|im_end|>", b"<|endoftext|>", b"<|eot_id|>"):
            tokens = llama.tokenize(text, add_bos=False, special=True)
            if len(tokens) == 1:
                ends.add(tokens[0])
        self._end_tokens = frozenset(ends)
        self._llama = llama
        hello = (ChatMessage(role=ChatRole.USER, text="Hello."),)
        llama.eval(self._tokens(hello))

    def generate(self, request: LlmRequest, cancel: CancelToken) -> AsyncIterator[LlmItem]:
        """See LlmEngine.generate."""
        timing = JobTiming()
        return self._lane.stream(
            lambda: self._write(request, cancel, timing), deadline_s=request.deadline_s, cancel=cancel, timing=timing
        )

    async def prime(self, session_id: str, messages: tuple[ChatMessage, ...], cancel: CancelToken) -> None:
        """See LlmEngine.prime."""
        del session_id
        due_s = monotonic_s() + PRIME_DUE_S
        await self._lane.run(
            lambda: self._evaluate(self._tokens(messages, reply=False), cancel), deadline_s=due_s, cancel=cancel
        )

    async def forget(self, session_id: str) -> None:
        """The one sequence is overwritten by the next request; there is nothing to give back."""

    async def close(self) -> None:
        """Ends the worker; the model goes with the process."""
        self._lane.close(timeout_s=0.5)

    # --- on the worker thread

    @property
    def _model(self) -> Any:  # noqa: ANN401 - the library ships no types
        if self._llama is None:
            raise _failure("the model is not loaded")
        return self._llama

    def _tokens(self, messages: tuple[ChatMessage, ...], *, reply: bool = True) -> list[int]:
        """Tokens of the conversation in the model's own chat format, with the beginning of a reply when wanted."""
        formatter = self._formatter
        if formatter is None:
            raise _failure("the model is not loaded")
        # What is said of tools means nothing to these models, and their templates may refuse it.
        chat = [
            {"role": message.role.value, "content": message.text}
            for message in messages
            if message.role is not ChatRole.TOOL and (message.text or not message.tool_call_id)
        ]
        prompt = formatter._environment.render(
            messages=chat, add_generation_prompt=reply, bos_token="", eos_token="", raise_exception=_raise_template
        )
        return list(self._model.tokenize(prompt.encode(), add_bos=False, special=True))

    def _evaluate(self, tokens: list[int], cancel: CancelToken) -> int:
        """Brings the cache to hold `tokens`; gives how many of them it held already."""
        llama = self._model
        cached = 0
        for held, wanted in zip(llama.input_ids[: llama.n_tokens], tokens, strict=False):
            if held != wanted:
                break
            cached += 1
        llama.n_tokens = cached
        for at in range(cached, len(tokens), PREFILL_TOKENS):
            cancel.raise_if_cancelled()
            llama.eval(tokens[at : at + PREFILL_TOKENS])
        return cached

    def _write(self, request: LlmRequest, cancel: CancelToken, timing: JobTiming) -> Iterator[LlmItem]:
        llama = self._model
        room = self._context_tokens - request.max_tokens - 1
        messages = fit_messages(request.messages, lambda kept: len(self._tokens(kept)), room)
        prompt = self._tokens(messages)[-room:]
        # The last token is left to `generate`, which needs to evaluate at least one before it samples.
        cached = self._evaluate(prompt[:-1], cancel)
        llama.set_seed(request.seed)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        stop = StopFilter(request.stop)
        written = 0
        reason = FinishReason.LENGTH
        tokens = llama.generate(
            prompt, temp=request.temperature, top_p=request.top_p, repeat_penalty=self._repeat_penalty
        )
        try:
            for token in tokens:
                self._courtesy.step_aside(cancel)
                if token in self._end_tokens:
                    reason = FinishReason.STOP
                    break
                written += 1
                if text := stop.push(decoder.decode(llama.detokenize([token], prev_tokens=prompt[-1:]))):
                    yield LlmText(text=text)
                if stop.stopped:
                    reason = FinishReason.STOP
                    break
                if written >= request.max_tokens:
                    break
        finally:
            tokens.close()
        if rest := stop.push(decoder.decode(b"", final=True)) + stop.finish():
            yield LlmText(text=rest)
        yield LlmEnd(
            reason=reason,
            prompt_tokens=len(prompt),
            cached_tokens=cached,
            generated_tokens=written,
            queued_us=timing.began_at_us - timing.queued_at_us,
        )


def _raise_template(message: str) -> None:
    raise _failure(f"the model's chat template refuses the conversation: {message}")


def _failure(detail: str) -> VoiceAgentError:
    return VoiceAgentError(Failure(stage=Stage.LLM, reason=FailureReason.ENGINE_ERROR, detail=detail))
