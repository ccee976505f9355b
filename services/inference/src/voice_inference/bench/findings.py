"""What the bench finds, as values; names carry the units."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """The machine; `load` is how many processes wanted a core in the minute before."""

    cpu: str
    cores: int
    memory_mb: int
    available_mb: int
    load: float
    versions: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class VadTime:
    """One batched call."""

    batch: int
    call_us: float
    window_us: float
    windows_per_s: float
    session_second_ms: float
    """Computing for one second of one session's sound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SttTime:
    """A final transcript of `length_s` seconds."""

    length_s: float
    took_ms: float
    real_time_factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmTime:
    """Writing: to the first text when nothing of the prompt is cached, and when all but the last message is."""

    cold_first_ms: float
    cached_first_ms: float
    prompt_tokens: int
    tokens_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TtsTime:
    """Speaking: to the first sound of a first clause, and a whole sentence."""

    first_clause_ms: float
    real_time_factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineTimes:
    """Every engine of the placement alone, medians; None: the placement has none."""

    vad: tuple[VadTime, ...]
    stt: tuple[SttTime, ...]
    end_of_turn_ms: float | None
    llm: LlmTime
    tts: TtsTime


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadTimes:
    """One engine with different numbers of threads: (threads, milliseconds of a typical piece of work)."""

    stage: str
    placed_threads: int
    took_ms: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartUp:
    """A node that starts with its files in the kernel's cache. `import_s`: its modules, without any engine's library.
    `serving_s`: from the command to SERVING.
    """

    import_s: float
    serving_s: float
    rss_mb: float
    torch_loaded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelTimes:
    """So many callers at once. Latency is from the last speech sample, as VAD places it, to the first agent sound;
    None when nobody was answered. `node_cores` and `bench_cores` are processor seconds a second of the node and of the
    callers themselves.
    """

    callers: int
    refused: int
    answered: int
    unanswered: int
    p50_ms: float | None
    p95_ms: float | None
    stt_ms: float | None
    first_text_ms: float | None
    node_rss_mb: float
    node_cores: float
    bench_cores: float
    why: tuple[str, ...] = ()
    """Why turns were not answered and callers refused, each reason once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to write into the placement. `sessions` is None when the levels do not tell."""

    sessions: int | None
    sessions_why: str
    threads: dict[str, int]
    threads_why: dict[str, str]
    placement: str
    """The placement with it, as YAML."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything."""

    machine: MachineFacts
    placement: str
    speech: str
    engines: EngineTimes
    threads: tuple[ThreadTimes, ...]
    start_up: StartUp
    session_slots: int
    levels: tuple[LevelTimes, ...]
    advice: Advice
