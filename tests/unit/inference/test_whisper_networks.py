"""Whisper's encoder and decoder in ONNX Runtime, against the same arithmetic in NumPy, on a small model of chance."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from support.small_whisper import (
    BANDS,
    END,
    FRAMES,
    HEAD_SIZE,
    HEADS,
    MARKS,
    PROMPT,
    SIZE,
    CountedSession,
    Floats,
    Weights,
    chance,
    encoded,
    file_of,
    heard,
    scored,
    small_model,
    special,
)

from voice_contract.audio import SAMPLE_RATE_HZ
from voice_inference.engines.base import Cancelled, CancelToken
from voice_inference.engines.onnx_call import OnnxCall
from voice_inference.engines.stt import listeners
from voice_inference.engines.stt.ctranslate2_file import read_weights
from voice_inference.engines.stt.decoder_network import decoder_networks
from voice_inference.engines.stt.encoder_network import encoder_network
from voice_inference.engines.stt.heard_sound import LONG_FRAMES, emphasis_for
from voice_inference.engines.stt.listeners import QuickListener
from voice_inference.engines.stt.network_layers import NetworkLayers
from voice_inference.engines.stt.network_writer import NetworkWriter, WrittenNetwork
from voice_inference.engines.stt.sound_encoder import SoundEncoder, padded_features
from voice_inference.engines.stt.whisper_window import window_frames
from voice_inference.engines.stt.word_decoder import WordDecoder


def close(found: Floats, wanted: Floats) -> bool:
    """Within what eight bits leave of a number."""
    return bool(np.abs(found - wanted).mean() < 0.05 * np.abs(wanted).mean())


# --- tests


@pytest.fixture(scope="module")
def weights() -> Weights:
    return small_model()


@pytest.fixture(scope="module")
def frames(weights: Weights) -> Floats:
    return encoded(weights, np.random.default_rng(1).normal(0, 1, (BANDS, 2 * FRAMES)).astype(np.float32))


def some_count(frames: int) -> NDArray[np.int64]:
    """How many frames each stands for, as different as possible."""
    return np.where(np.arange(frames) % 2, 40, 1)


@pytest.mark.parametrize("stands_for", [np.ones(FRAMES, dtype=np.int64), some_count(FRAMES)])
def test_the_encoder_hears_what_the_model_says(weights: Weights, stands_for: NDArray[np.int64]) -> None:
    features = np.random.default_rng(1).normal(0, 1, (BANDS, 2 * FRAMES)).astype(np.float32)
    given = {
        "features": features[np.newaxis],
        "positions": weights["encoder/position_encodings/encodings"][:FRAMES],
        "emphasis": emphasis_for(FRAMES, np.log(stands_for).astype(np.float32)),
    }
    (found,) = encoder_network(weights).open(1).run(["heard"], given)
    assert found.shape == (1, FRAMES, SIZE)
    assert close(found[0], encoded(weights, features, stands_for))


def test_frames_that_stand_for_others_are_told_from_frames_that_do_not(weights: Weights) -> None:
    """The test above could tell them apart."""
    features = np.random.default_rng(1).normal(0, 1, (BANDS, 2 * FRAMES)).astype(np.float32)
    assert not close(encoded(weights, features, some_count(FRAMES)), encoded(weights, features))


def test_the_decoder_scores_what_the_model_says(weights: Weights, frames: Floats) -> None:
    tokens = [*PROMPT, 5, 6]
    networks = decoder_networks(weights)
    session = networks.step.open(1)
    memory = networks.memory.open(1)
    feeds: dict[str, Any] = dict(
        zip(
            (value.name for value in memory.get_outputs()),
            memory.run(None, {"frames": frames[np.newaxis]}),
            strict=True,
        )
    )
    for name in (value.name for value in session.get_inputs() if value.name.startswith("past_")):
        feeds[name] = np.zeros((1, HEADS, 0, HEAD_SIZE), dtype=np.float32)
    read = weights["decoder/embeddings/weight"][tokens] + weights["decoder/position_encodings/encodings"][: len(tokens)]
    nothing = np.zeros(len(frames), dtype=np.float32)
    feeds |= {"tokens": read[np.newaxis], "rows": np.array([0, 4]), "emphasis": emphasis_for(len(tokens), nothing)}
    scores = session.run(["scores"], feeds)[0][0]
    wanted = scored(weights, frames, tokens)
    assert close(scores[0], wanted[0])
    assert close(scores[1], wanted[4])


@pytest.fixture(scope="module")
def decoder(weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> WordDecoder:
    return WordDecoder(file_of(tmp_path_factory.mktemp("model"), weights), threads=1)


def test_every_token_is_the_best_after_those_before(decoder: WordDecoder, weights: Weights, frames: Floats) -> None:
    found = decoder.write(heard(frames), special(), 12, CancelToken())
    assert found.ids
    wanted = scored(weights, frames, [*PROMPT, *found.ids])[len(PROMPT) - 1 :]
    for token, scores in zip(found.ids, wanted, strict=False):
        # Eight bits may turn the order of two that are as good as each other.
        assert scores[token] > scores.max() - 0.1 * (scores.max() - scores.min())


def test_the_probability_of_no_speech_is_that_after_the_first_token(
    decoder: WordDecoder, weights: Weights, frames: Floats
) -> None:
    first = scored(weights, frames, list(PROMPT))[0]
    powers = np.exp(first - first.max())
    found = decoder.write(heard(frames), special(), 1, CancelToken())
    assert found.no_speech == pytest.approx(powers[7] / powers.sum(), rel=0.5)


def test_the_probability_of_a_mark_is_told_for_every_place(
    decoder: WordDecoder, weights: Weights, frames: Floats
) -> None:
    found = decoder.write(heard(frames), special(), 6, CancelToken())
    scores = scored(weights, frames, [*PROMPT, *found.ids])[len(PROMPT) - 1 :]
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    wanted = powers[:, MARKS].sum(axis=1) / powers.sum(axis=1)
    assert len(found.goes_on) == len(found.ids) + 1
    assert np.allclose(np.log(found.goes_on), np.log(wanted), atol=1.0)
    drafted = decoder.write(heard(frames), special(), 6, CancelToken(), draft=found.ids)
    assert np.allclose(drafted.goes_on, found.goes_on, rtol=0.1)


def test_a_frame_that_stands_for_others_is_heard_like_all_of_them(
    decoder: WordDecoder, weights: Weights, frames: Floats
) -> None:
    stands_for = some_count(FRAMES)
    found = decoder.write(heard(frames, stands_for), special(), 12, CancelToken())
    wanted = decoder.write(heard(np.repeat(frames, stands_for, axis=0)), special(), 12, CancelToken())
    assert found.ids == wanted.ids
    assert found.log_probability == pytest.approx(wanted.log_probability, rel=0.02)
    plain = decoder.write(heard(frames), special(), 12, CancelToken())
    assert plain.log_probability != pytest.approx(wanted.log_probability, rel=0.1)


def test_it_stops_at_the_limit_and_at_the_end(decoder: WordDecoder, frames: Floats) -> None:
    free = decoder.write(heard(frames), special(never=(END,)), 6, CancelToken())
    assert len(free.ids) == 6
    ended = decoder.write(heard(frames), special(end=free.ids[0]), 6, CancelToken())
    assert ended.ids == []
    assert ended.log_probability <= 0


def test_what_is_never_written_is_not(decoder: WordDecoder, frames: Floats) -> None:
    free = decoder.write(heard(frames), special(never=(END,)), 6, CancelToken()).ids
    without = decoder.write(heard(frames), special(never=(END, *free)), 6, CancelToken()).ids
    assert len(without) == 6
    assert not set(free) & set(without)
    later = decoder.write(heard(frames), special(never=(END,), not_first=(free[0],)), 6, CancelToken()).ids
    assert later[0] != free[0]


def test_a_cancelled_call_ends_before_the_next_token(decoder: WordDecoder, frames: Floats) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        decoder.write(heard(frames), special(never=(END,)), 6, cancel)


# --- what goes with the networks


def test_a_cancel_inside_the_encoder_stops_it(
    weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = SoundEncoder(file_of(tmp_path, weights), threads=1)
    sound = np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE_HZ).astype(np.float32)
    whole = encoder.frames(sound, CancelToken())
    cancel = CancelToken()
    session = CountedSession(encoder._session, cancel)
    monkeypatch.setattr(encoder, "_session", session)
    with pytest.raises(Cancelled):
        encoder.frames(sound, cancel)
    assert session.calls == 1
    (failure,) = session.failures
    assert "terminate" in failure
    # The next one is not touched by it, and one that is cancelled before does not begin.
    with pytest.raises(Cancelled):
        encoder.frames(sound, cancel)
    assert session.calls == 1
    monkeypatch.undo()
    assert np.array_equal(encoder.frames(sound, CancelToken()).frames, whole.frames)


def test_what_fails_in_the_encoder_without_a_cancel_is_told(weights: Weights, tmp_path: Path) -> None:
    encoder = SoundEncoder(file_of(tmp_path, weights), threads=1)
    with pytest.raises(Exception, match="features"):
        OnnxCall(CancelToken()).run(encoder._session, {"positions": np.zeros((2, SIZE), dtype=np.float32)})


def test_an_utterance_is_heard_in_a_window_cut_to_it(weights: Weights, tmp_path: Path) -> None:
    encoder = SoundEncoder(file_of(tmp_path, weights), threads=1)
    sound = np.random.default_rng(0).normal(0, 0.1, 2 * SAMPLE_RATE_HZ).astype(np.float32)
    found = encoder.frames(sound, CancelToken())
    # Two seconds of speech and one behind it; of the other seven a quarter.
    assert found.frames.shape == (1, 50 * 3 + 50 * 7 // 4 + 1, SIZE)
    window = window_frames(len(sound), 10)
    assert np.allclose(np.exp(found.emphasis), window.stands_for)
    features = padded_features(encoder._features, sound, 10)[:, : 2 * len(window.places)]
    by_hand = encoded(weights, features, window.stands_for, places=window.places)
    assert close(found.frames[0], by_hand)
    elsewhere = encoded(weights, features, window.stands_for)
    assert np.abs(found.frames[0] - by_hand).mean() < np.abs(found.frames[0] - elsewhere).mean() / 2
    assert encoder.all_frames(sound, CancelToken()).frames.shape == (1, 50 * 30, SIZE)


def shrinks(options: onnxruntime.RunOptions) -> bool:
    try:
        return bool(options.get_run_config_entry("memory.enable_memory_arena_shrinkage") == "cpu:0")
    except RuntimeError:  # it has no such entry
        return False


def test_what_a_long_window_needed_is_given_back_with_the_next(
    decoder: WordDecoder, frames: Floats, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, given_back = decoder._memory, list[bool]()

    class Session:
        def run_with_ort_values(self, outputs: None, feeds: dict[str, Any], options: onnxruntime.RunOptions) -> Any:
            given_back.append(shrinks(options))
            return memory.run_with_ort_values(outputs, feeds, options)

    monkeypatch.setattr(decoder, "_memory", Session())
    short, long = heard(frames), heard(np.tile(frames, (LONG_FRAMES // FRAMES + 1, 1)))
    found = [decoder.write(sound, special(), 2, CancelToken()) for sound in (short, long, short, short)]
    assert given_back == [False, False, True, False]
    assert found[0] == found[2] == found[3]


def test_memory_is_returned_after_a_full_window(
    weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_of(tmp_path, weights)
    listener, returned = QuickListener(tmp_path, threads=1), list[str]()
    monkeypatch.setattr(listeners, "give_back_memory", lambda: returned.append("returned"))
    sound = np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE_HZ).astype(np.float32)
    listener.hear(sound, special(), 2, CancelToken())
    assert returned == []
    listener.hear_in_full(sound, special(), 2, CancelToken())
    assert returned == ["returned"]
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        listener.hear_in_full(sound, special(), 2, cancel)
    assert returned == ["returned", "returned"]


def test_weights_of_eight_bits_in_the_file_are_read(weights: Weights, frames: Floats, tmp_path: Path) -> None:
    matrix = weights["decoder/embeddings/weight"]
    scale = 127 / np.abs(matrix).max(axis=1)
    eight = dict(weights) | {
        "decoder/embeddings/weight": np.rint(matrix * scale[:, np.newaxis]).astype(np.int8),
        "decoder/embeddings/weight_scale": scale.astype(np.float32),
    }
    eight["decoder/projection/weight"] = eight["decoder/embeddings/weight"]
    eight["decoder/projection/weight_scale"] = eight["decoder/embeddings/weight_scale"]
    found = WordDecoder(file_of(tmp_path, eight), threads=1).write(heard(frames), special(), 12, CancelToken())
    assert found.ids


def test_a_file_is_read_as_it_was_written(weights: Weights, tmp_path: Path) -> None:
    halves = {name: values.astype(np.float16) if values.ndim == 2 else values for name, values in weights.items()}
    found = read_weights(file_of(tmp_path, halves))
    assert set(found) == set(halves)
    assert all(np.array_equal(found[name], halves[name]) for name in halves)


def test_other_files_are_refused(weights: Weights, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="layout 5"):
        read_weights(file_of(tmp_path, weights, layout=5))
    file = file_of(tmp_path, weights)
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(ValueError, match="is no model file"):
        read_weights(file)


@pytest.mark.parametrize(("name", "value"), [("activation", 0), ("pre_norm", 0), ("scale_embeddings", 1)])
def test_a_decoder_of_another_shape_is_refused(weights: Weights, name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        decoder_networks({**weights, f"decoder/{name}": np.array(value, dtype=np.int8)})


def test_a_model_without_a_weight_is_refused(weights: Weights) -> None:
    for build, name in ((encoder_network, "encoder/conv1/bias"), (decoder_networks, "decoder/layer_norm/beta")):
        with pytest.raises(ValueError, match=name):
            build({other: values for other, values in weights.items() if other != name})


def product(rows: Floats, matrix: Floats, *, many: bool) -> Floats:
    """`rows` times `matrix`, as the networks do it."""
    weights: Weights = {
        "decoder/num_heads": np.array(1, dtype=np.int16),
        "decoder/layer_norm/gamma": np.ones(matrix.shape[1], dtype=np.float32),
        "decoder/layer_0/ffn/linear_0/weight": matrix,
        "decoder/layer_0/ffn/linear_0/bias": np.zeros(matrix.shape[0], dtype=np.float32),
    }
    layers = NetworkLayers(weights, "decoder")
    multiply = layers.product_of_many if many else layers.product
    layers.writer.nodes("Identity", [multiply("rows", "layer_0/ffn/linear_0")], results=["made"])
    network = layers.writer.network({"rows": ("float32", ("count", matrix.shape[1]))}, ["made"])
    found: Floats = network.open(1).run(["made"], {"rows": rows})[0]
    return found


@pytest.mark.parametrize("many", [False, True])
def test_products_with_eight_bits_are_close(*, many: bool) -> None:
    random = np.random.default_rng(2)
    rows, matrix = chance(random, 7, 512), chance(random, 900, 512)
    matrix[3] = 0
    assert close(product(rows, matrix, many=many), rows @ matrix.T)


@pytest.mark.parametrize("many", [False, True])
def test_the_largest_numbers_of_eight_bits_are_added_without_clipping(*, many: bool) -> None:
    """A processor without VNNI adds two products in sixteen bits unless it is told not to."""
    rows, matrix = np.ones((7, 512), dtype=np.float32), np.ones((900, 512), dtype=np.float32)
    assert np.allclose(product(rows, matrix, many=many), 512, rtol=0.01)


def test_a_very_large_number_spoils_its_own_block_only() -> None:
    random = np.random.default_rng(2)
    rows, matrix = chance(random, 7, 512), chance(random, 900, 512)
    rows[3, 100] = 1_000
    found, wanted = product(rows, matrix, many=False), rows @ matrix.T
    assert close(np.delete(found, 3, axis=0), np.delete(wanted, 3, axis=0))
    assert not close(np.delete(product(rows, matrix, many=True), 3, axis=0), np.delete(wanted, 3, axis=0))


def test_a_network_is_written_as_it_is_read() -> None:
    writer = NetworkWriter()
    large = np.arange(20_000, dtype=np.float32)
    added = writer.node("Add", ["given", writer.weight(np.array([-1.5], dtype=np.float32))])
    writer.nodes("Concat", [added, writer.weight(large)], results=["made"], axis=-1)
    network: WrittenNetwork = writer.network({"given": ("float32", ("length",))}, ["made"])
    assert [values.nbytes for values in network.weights.values()] == [80_000]
    assert len(network.model) < 1_000
    (made,) = network.open(1).run(["made"], {"given": np.array([2.0, 4.0], dtype=np.float32)})
    assert np.array_equal(made, np.concatenate([[0.5, 2.5], large]))
