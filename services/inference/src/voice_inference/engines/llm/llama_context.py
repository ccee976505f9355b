"""llama.cpp's low-level interface: one model, one context, several sequences that are evaluated in one batch.

Everything here is called by one thread, the one that made it: OpenMP keeps a team of threads for every caller.
"""

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import llama_cpp
import numpy as np

from voice_inference.engines.llm.sequence_table import CacheChange, Share

PENALTY_TOKENS: Final = 64
TOP_K: Final = 40
MIN_P: Final = 0.05
PIECE_BYTES_MAX: Final = 256


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
def _log_nothing(level: int, text: bytes, user_data: ctypes.c_void_p) -> None:
    """llama.cpp writes to stderr unless it is given somebody to tell."""


def start_library() -> None:
    """Makes llama.cpp ready and quiet; calling it again changes nothing."""
    llama_cpp.llama_log_set(_log_nothing, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One token of a batch: at `position` of `sequence`; `wanted` when the next token will be asked for."""

    token: int
    position: int
    sequence: int
    wanted: bool = False


class Sampler:
    """Chooses the tokens of one reply; holds its random numbers and what it must not repeat."""

    def __init__(self, words: int, *, temperature: float, top_p: float, seed: int, repeat_penalty: float) -> None:
        """`words`: tokens the model knows; the other values as in a request."""
        self._chain: Any = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        self._add(llama_cpp.llama_sampler_init_penalties(words, PENALTY_TOKENS, repeat_penalty, 0.0, 0.0))
        if temperature == 0.0:
            self._add(llama_cpp.llama_sampler_init_greedy())
            return
        self._add(llama_cpp.llama_sampler_init_top_k(TOP_K))
        self._add(llama_cpp.llama_sampler_init_top_p(top_p, 1))
        self._add(llama_cpp.llama_sampler_init_min_p(MIN_P, 1))
        self._add(llama_cpp.llama_sampler_init_temp(temperature))
        self._add(llama_cpp.llama_sampler_init_dist(seed))

    def _add(self, step: Any) -> None:  # noqa: ANN401 - the library ships no types
        llama_cpp.llama_sampler_chain_add(self._chain, step)

    def choose(self, context: "LlamaContext", row: int) -> int:
        """The token after row `row` of the last batch."""
        return int(llama_cpp.llama_sampler_sample(self._chain, context.handle, row))

    def close(self) -> None:
        """Gives it back; it must not be used again."""
        if self._chain is not None:
            llama_cpp.llama_sampler_free(self._chain)
            self._chain = None


class LlamaContext:
    """A loaded model and its cache of `cells` tokens. Raises ValueError when the model cannot be loaded."""

    def __init__(
        self, model_file: Path, *, gpu: bool, threads: int, cells: int, sequences: int, rows: int, wanted: int
    ) -> None:
        """`rows`: the most tokens of one batch; `wanted`: the most of them that a next token is asked for."""
        start_library()
        settings = llama_cpp.llama_model_default_params()
        settings.n_gpu_layers = -1 if gpu else 0
        self._model: Any = llama_cpp.llama_model_load_from_file(str(model_file).encode(), settings)
        if not self._model:
            raise ValueError("the file is no model this version reads")
        self._vocab: Any = llama_cpp.llama_model_get_vocab(self._model)
        shape = llama_cpp.llama_context_default_params()
        shape.n_ctx, shape.n_seq_max, shape.kv_unified = cells, sequences, True
        # Buffers are made for the largest batch: a small one saves more memory than the cache of a conversation takes.
        shape.n_batch = shape.n_ubatch = rows
        shape.n_outputs_max = max(wanted, sequences)
        shape.n_threads = shape.n_threads_batch = threads
        # Flash attention is a quarter faster on a full cache and chooses other words from the same seed.
        shape.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        shape.no_perf = True
        self.handle: Any = llama_cpp.llama_init_from_model(self._model, shape)
        if not self.handle:
            llama_cpp.llama_model_free(self._model)
            raise ValueError(f"there is no room for a context of {cells} tokens")
        self._memory: Any = llama_cpp.llama_get_memory(self.handle)
        self._batch: Any = llama_cpp.llama_batch_init(rows, 0, 1)
        self.words: int = llama_cpp.llama_vocab_n_tokens(self._vocab)
        self._piece = ctypes.create_string_buffer(PIECE_BYTES_MAX)

    def close(self) -> None:
        """Gives everything back."""
        llama_cpp.llama_batch_free(self._batch)
        llama_cpp.llama_free(self.handle)
        llama_cpp.llama_model_free(self._model)

    # --- words

    def chat_template(self) -> str | None:
        """The model's own template of conversations, in Jinja."""
        text = llama_cpp.llama_model_chat_template(self._model, None)
        return None if not text else bytes(text).decode("utf-8", "replace")

    def tokenize(self, text: str) -> list[int]:
        """Tokens of `text`; names of special tokens become those."""
        raw = text.encode()
        size = len(raw) + 8
        tokens = (llama_cpp.llama_token * size)()
        count = llama_cpp.llama_tokenize(self._vocab, raw, len(raw), tokens, size, False, True)
        if count < 0:
            raise RuntimeError("the tokenizer gives more tokens than bytes")
        return list(tokens[:count])

    def piece(self, token: int) -> bytes:
        """The bytes a token stands for; none for special tokens."""
        count = llama_cpp.llama_token_to_piece(self._vocab, token, self._piece, PIECE_BYTES_MAX, 0, False)
        return self._piece.raw[: max(0, count)]

    def end_token(self) -> int:
        """The token that ends a text."""
        return int(llama_cpp.llama_vocab_eos(self._vocab))

    def probability(self, row: int, tokens: frozenset[int]) -> float:
        """That one of `tokens` comes after row `row` of the last batch, 0 to 1."""
        logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(self.handle, row), (self.words,))
        weights = np.exp(logits - logits.max())
        return float(min(1.0, weights[sorted(tokens)].sum() / weights.sum()))

    # --- the cache

    def change(self, changes: Iterable[CacheChange]) -> None:
        """Brings the cache to where the table says it is."""
        for change in changes:
            if isinstance(change, Share):
                llama_cpp.llama_memory_seq_cp(self._memory, change.source, change.target, 0, change.tokens)
            else:
                llama_cpp.llama_memory_seq_rm(self._memory, change.sequence, change.tokens, -1)

    def evaluate(self, rows: list[TokenRow]) -> None:
        """Evaluates a batch; after a RuntimeError it is not certain what the sequences of the batch hold."""
        batch = self._batch
        batch.n_tokens = len(rows)
        for at, row in enumerate(rows):
            batch.token[at], batch.pos[at], batch.logits[at] = row.token, row.position, row.wanted
            batch.n_seq_id[at], batch.seq_id[at][0] = 1, row.sequence
        code = llama_cpp.llama_decode(self.handle, batch)
        if code != 0:
            raise RuntimeError(f"llama.cpp could not evaluate a batch (code {code})")
