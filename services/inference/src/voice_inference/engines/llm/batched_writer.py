"""Writes several replies at once: one thread owns the model and evaluates a token of each of them in every step.

A job is a prompt: to write a reply behind it, to be told what may follow it, or only to have read it ahead of time.
Jobs wait in a queue in this order of kinds, and by deadline. One prompt is read at a time, in pieces beside the replies
being written, so that a second caller with the same system prompt finds it in the cache. Cancelled jobs leave between
two steps; what was evaluated for them stays for the next run.
"""

import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.messages import FinishReason
from voice_inference.clock import monotonic_us
from voice_inference.core_turns import CoreTurns, Rank
from voice_inference.engines.base import Cancelled, CancelToken, LlmEnd, LlmText
from voice_inference.engines.llm.item_stream import END, ItemStream, Raised, deliver
from voice_inference.engines.llm.llama_context import LlamaContext, Sampler, TokenRow
from voice_inference.engines.llm.reply_text import ReplyText
from voice_inference.engines.llm.sequence_table import SequenceTable
from voice_inference.engines.llm.step_plan import EARLY_TOKENS, Progress, Step, plan_step

JOBS_WAITING_MAX: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplySettings:
    """How a reply is written, with fields as in LlmRequest."""

    max_tokens: int
    temperature: float
    top_p: float
    seed: int
    stop: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Follows:
    """How likely it is, 0 to 1, that one of the tokens a job asked about comes next."""

    probability: float


@dataclass(slots=True, eq=False)
class WriteJob:
    """A prompt to evaluate, with `reply` a reply to write behind it, with `asked` tokens whose probability behind it is
    wanted. `prompt` is called on the thread.
    """

    session_id: str
    prompt: Callable[[LlamaContext], list[int]]
    reply: ReplySettings | None
    deadline_s: float
    cancel: CancelToken
    stream: ItemStream[Any]
    asked: Callable[[], frozenset[int]] | None = None
    queued_at_us: int = field(default_factory=monotonic_us)
    began_at_us: int = 0
    tokens: list[int] | None = None
    cached: int = 0
    sequence: int = 0
    evaluated: int = 0
    """Tokens of the prompt, then of the reply, that its sequence holds."""
    text: ReplyText | None = None
    sampler: Sampler | None = None
    chosen: int = 0
    """The token that was chosen last and is evaluated next."""
    passed_over: int = 0

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for what comes behind the prompt."""
        return self.reply is not None or self.asked is not None

    @property
    def rank(self) -> int:
        """Lower goes first. Behind the prompt of a reply to the same words, what may follow them costs a token."""
        return 0 if self.reply is not None else 1 if self.asked is not None else 2


class BatchedWriter:
    """The thread, its queue and what it is at. Jobs are submitted from event loops."""

    def __init__(
        self, *, concurrency: int, table: SequenceTable, repeat_penalty: float, turns: CoreTurns, threads: int
    ) -> None:
        """`threads`: those of the model on the cores of this machine, 0 for none."""
        self._concurrency = concurrency
        self._table = table
        self._repeat_penalty = repeat_penalty
        self._turns, self._threads = turns, threads
        self._changed = threading.Condition()
        self._signalled = False
        self._closed = False
        self._aside = CancelToken()
        self._order = itertools.count()
        self._waiting: list[tuple[int, float, int, WriteJob]] = []
        self._forgotten: list[str] = []
        self._reading: WriteJob | None = None
        self._writing: list[WriteJob] = []
        self._full = False
        self._made: list[tuple[ItemStream[Any], object]] = []
        self._end_tokens: frozenset[int] = frozenset()
        self._thread: threading.Thread | None = None

    @property
    def depth(self) -> int:
        """Jobs waiting."""
        return len(self._waiting)

    def start(self, load: Callable[[], tuple[LlamaContext, frozenset[int]]], loaded: Callable[[object], None]) -> None:
        """Starts the thread; it calls `load`, which gives the model and the tokens that end a reply, and then `loaded`
        with None or with what `load` raised.
        """
        self._thread = threading.Thread(target=self._live, args=(load, loaded), name="llm-writer", daemon=True)
        self._thread.start()

    def submit(self, job: WriteJob) -> None:
        """Queues a job; raises VoiceAgentError when the queue is full or closed."""
        with self._changed:
            if self._closed or self._thread is None:
                raise _failure(FailureReason.DRAINING, "the language model is not loaded, or being closed")
            if len(self._waiting) >= JOBS_WAITING_MAX:
                detail = f"{JOBS_WAITING_MAX} jobs already wait for the language model"
                raise _failure(FailureReason.OVERLOADED, detail)
            self._push(job)
        self.wake()
        job.cancel.on_cancel(lambda: self._give_up(job))

    def forget(self, session_id: str) -> None:
        """Has what is cached for a session dropped."""
        with self._changed:
            self._forgotten.append(session_id)
        self.wake()

    def wake(self) -> None:
        """Has the thread look again at what there is to do."""
        with self._changed:
            self._signalled = True
            self._changed.notify_all()
        self._aside.cancel()

    def close(self, timeout_s: float) -> bool:
        """Refuses new jobs, cancels all others and joins the thread; whether it ended within `timeout_s`."""
        with self._changed:
            self._closed = True
        self.wake()
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _push(self, job: WriteJob) -> None:
        self._waiting.append((job.rank, job.deadline_s, next(self._order), job))

    def _give_up(self, job: WriteJob) -> None:
        """Takes a cancelled job out of the queue; one that has begun is ended by the thread."""
        with self._changed:
            kept = [entry for entry in self._waiting if entry[3] is not job]
            waited = len(kept) < len(self._waiting)
            self._waiting = kept
        if waited:
            deliver([(job.stream, Raised(Cancelled()))])
        self.wake()

    # --- on the thread

    def _live(self, load: Callable[[], tuple[LlamaContext, frozenset[int]]], loaded: Callable[[object], None]) -> None:
        try:
            context, self._end_tokens = load()
        except BaseException as error:
            self._closed = True
            loaded(error)
            return
        loaded(None)
        while not self._closed:
            try:
                self._turn(context)
            except Exception as error:
                self._fail_all(context, _failure(FailureReason.ENGINE_ERROR, f"{type(error).__name__} while writing"))
        with self._changed:
            waiting, self._waiting = self._waiting, []
        for job in (*(entry[3] for entry in waiting), *self._begun()):
            self._end(context, job, Raised(Cancelled()))
        self._deliver()
        context.close()

    def _turn(self, context: LlamaContext) -> None:
        """One step, or a wait for something to do."""
        with self._changed:
            self._signalled = False
            forgotten, self._forgotten = self._forgotten, []
        for session_id in forgotten:
            context.change(self._table.forget(session_id))
            self._full = False
        for job in self._begun():
            if job.cancel.cancelled:
                self._end(context, job, Raised(Cancelled()))
        self._choose_prompt(context)
        step = self._plan()
        if step.replies or step.prompt_tokens:
            self._take_turn(context, step)
        self._deliver()
        if not step.replies and not step.prompt_tokens:
            with self._changed:
                self._changed.wait_for(lambda: self._signalled or self._closed)

    def _take_turn(self, context: LlamaContext, step: Step) -> None:
        """Takes a step when it is its turn, or none when there is news meanwhile."""
        aside = self._aside = CancelToken()
        if self._signalled:
            return
        try:
            with self._turns.turn(self._threads, self._rank(), aside):
                self._take(context, step)
        except Cancelled:
            return

    def _rank(self) -> Rank:
        if self._reading is not None and self._reading.awaited:
            return Rank.AWAITED
        if not self._writing:
            return Rank.SPARE
        early = any(job.text is not None and job.text.written < EARLY_TOKENS for job in self._writing)
        return Rank.AWAITED if early else Rank.LATER

    def _begun(self) -> list[WriteJob]:
        return [*self._writing, *(() if self._reading is None else (self._reading,))]

    def _choose_prompt(self, context: LlamaContext) -> None:
        """Takes the most urgent job that waits, unless a prompt is being read already that must not wait for it."""
        while not self._full:
            head, reading = self._next_job(), self._reading
            if head is None or (reading is not None and reading.rank <= head.rank):
                return
            if reading is not None:
                context.change(self._table.end(reading.sequence))
                self._reading = None
                self._put_back(reading)
            if self._take_out(head):
                self._begin(context, head)

    def _next_job(self) -> WriteJob | None:
        """The most urgent job that waits and may begin."""
        may_write = len(self._writing) < self._concurrency
        with self._changed:
            return min((entry for entry in self._waiting if may_write or entry[3].reply is None), default=(None,))[-1]

    def _take_out(self, job: WriteJob) -> bool:
        """Whether the job still waited; it does not any more."""
        with self._changed:
            kept = [entry for entry in self._waiting if entry[3] is not job]
            waited = len(kept) < len(self._waiting)
            self._waiting = kept
        return waited

    def _put_back(self, job: WriteJob) -> None:
        with self._changed:
            self._push(job)
        if job.cancel.cancelled:  # what it would have done in the queue was done while it was not in it
            self._give_up(job)

    def _begin(self, context: LlamaContext, job: WriteJob) -> None:
        """Gives the job a place in the cache; it waits on when there is none."""
        try:
            tokens = job.tokens = job.prompt(context) if job.tokens is None else job.tokens
        except Exception as error:
            self._made.append((job.stream, Raised(error)))
            return
        # The last token is always evaluated when somebody waits: what comes next is told by what it gives.
        head, room = (tokens[:-1], 1) if job.awaited else (tokens, 0)
        if job.reply is not None:
            room += job.reply.max_tokens
        place = self._table.begin(job.session_id, head, room=room)
        if place is None:
            self._full = True
            self._put_back(job)
            return
        context.change(place.changes)
        if not job.began_at_us:
            job.cached = place.kept
        job.sequence, job.evaluated = place.sequence, place.kept
        self._reading = job
        if job.evaluated == len(tokens):
            self._end(context, job, END)

    def _plan(self) -> Step:
        reading = self._reading
        return plan_step(
            [
                Progress(0 if job.text is None else job.text.written, job.passed_over, job.stream.stalled)
                for job in self._writing
            ],
            awaited_prompt=reading is not None and reading.awaited,
            spare_prompt=reading is not None and not reading.awaited,
        )

    def _take(self, context: LlamaContext, step: Step) -> None:
        """Evaluates the tokens of a step and chooses the next ones."""
        replies = [self._writing[index] for index in step.replies]
        for job in self._writing:
            job.passed_over += 1
        rows = []
        for job in replies:
            job.passed_over = 0
            rows.append(TokenRow(job.chosen, job.evaluated, job.sequence, wanted=True))
        reading = self._reading if step.prompt_tokens else None
        if reading is not None:
            reading.began_at_us = reading.began_at_us or monotonic_us()
        piece: Sequence[int] = ()
        if reading is not None and reading.tokens is not None:
            piece = reading.tokens[reading.evaluated : reading.evaluated + step.prompt_tokens]
            rows += [TokenRow(token, reading.evaluated + at, reading.sequence) for at, token in enumerate(piece)]
            if reading.awaited and reading.evaluated + len(piece) == len(reading.tokens):
                rows[-1] = replace(rows[-1], wanted=True)
        try:
            context.evaluate(rows)
        except RuntimeError as error:
            self._fail_all(context, _failure(FailureReason.ENGINE_ERROR, str(error)))
            return
        for row, job in enumerate(replies):
            self._table.extend(job.sequence, (job.chosen,))
            job.evaluated += 1
            self._choose(context, job, row)
        if reading is not None:
            self._read_on(context, reading, piece, len(rows) - 1)

    def _read_on(self, context: LlamaContext, job: WriteJob, piece: Sequence[int], last_row: int) -> None:
        self._table.extend(job.sequence, piece)
        job.evaluated += len(piece)
        if job.tokens is None or job.evaluated < len(job.tokens):
            return
        if job.reply is None:
            if job.asked is not None:
                job.stream.count_made()
                self._made.append((job.stream, Follows(context.probability(last_row, job.asked()))))
            self._end(context, job, END)
            return
        self._reading = None
        self._writing.append(job)
        reply = job.reply
        job.text = ReplyText(stop=reply.stop, max_tokens=reply.max_tokens)
        job.sampler = Sampler(
            context.words,
            temperature=reply.temperature,
            top_p=reply.top_p,
            seed=reply.seed,
            repeat_penalty=self._repeat_penalty,
        )
        self._choose(context, job, last_row)

    def _choose(self, context: LlamaContext, job: WriteJob, row: int) -> None:
        """Chooses the next token of a reply and passes on the text that comes with it."""
        text = job.text
        if text is None or job.sampler is None:
            return
        job.chosen = job.sampler.choose(context, row)
        said = text.end() if job.chosen in self._end_tokens else text.push(context.piece(job.chosen))
        if said:
            job.stream.count_made()
            self._made.append((job.stream, LlmText(text=said)))
        if text.reason is not None:
            self._made.append((job.stream, _end_of(job, text.written, text.reason)))
            self._end(context, job, END)

    def _end(self, context: LlamaContext, job: WriteJob, last: object, *, dropped: bool = False) -> None:
        """The job is over, or was never begun; `last` is what its consumer is told."""
        if job in self._begun() and not dropped:
            context.change(self._table.end(job.sequence))
        self._full = False
        self._writing = [other for other in self._writing if other is not job]
        if self._reading is job:
            self._reading = None
        if job.sampler is not None:
            job.sampler.close()
        self._made.append((job.stream, last))

    def _fail_all(self, context: LlamaContext, error: Exception) -> None:
        """Ends everything that has begun; what the cache holds for it is not certain and goes."""
        for job in self._begun():
            context.change(self._table.drop(job.sequence))
            self._end(context, job, Raised(error), dropped=True)

    def _deliver(self) -> None:
        made, self._made = self._made, []
        deliver(made)


def _end_of(job: WriteJob, written: int, reason: FinishReason) -> LlmEnd:
    return LlmEnd(
        reason=reason,
        prompt_tokens=len(job.tokens or ()),
        cached_tokens=job.cached,
        generated_tokens=written,
        queued_us=max(0, job.began_at_us - job.queued_at_us),
    )


def _failure(reason: FailureReason, detail: str) -> VoiceAgentError:
    return VoiceAgentError(Failure(stage=Stage.LLM, reason=reason, detail=detail))
