"""The format of one direction of an edge's sound, beside the runtime's own."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voice_contract.audio import SAMPLE_BYTES, SAMPLE_RATE_HZ
from voice_contract.messages import AudioEncoding, AudioFormat
from voice_orchestrator.line.g711 import decode_alaw, decode_mulaw, encode_alaw, encode_mulaw

RATES_HZ: Final = (8_000, 16_000)


@dataclass(frozen=True, slots=True)
class EdgeFormat:
    """A format the runtime converts: 8 or 16 kHz, s16le, mu-law or A-law, one channel."""

    encoding: AudioEncoding
    sample_rate_hz: int

    @classmethod
    def of(cls, format_: AudioFormat) -> "EdgeFormat":
        """What the contract says, checked; raises ValueError when sound of that rate is not converted."""
        if format_.sample_rate_hz not in RATES_HZ:
            raise ValueError(f"sound of {format_.sample_rate_hz} Hz is not converted, only of 8000 and 16000 Hz")
        return cls(format_.encoding, format_.sample_rate_hz)

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample."""
        return SAMPLE_BYTES if self.encoding is AudioEncoding.S16LE else 1

    @property
    def inner_per_edge(self) -> int:
        """Inner samples that last as long as one of the edge."""
        return SAMPLE_RATE_HZ // self.sample_rate_hz

    @property
    def is_inner(self) -> bool:
        """Whether this is the runtime's own format, so that bytes pass as they are."""
        return self.encoding is AudioEncoding.S16LE and self.inner_per_edge == 1

    def edge_samples(self, inner_samples: int) -> int:
        """Edge samples that last as long as `inner_samples`; at 8 kHz half a sample counts as one."""
        return -(-inner_samples // self.inner_per_edge)

    def inner_samples(self, edge_samples: int) -> int:
        """Inner samples that last as long as `edge_samples`."""
        return edge_samples * self.inner_per_edge

    def samples_of(self, sound: bytes) -> int:
        """Samples in `sound`, at the edge's rate; raises ValueError when one is cut in two."""
        if len(sound) % self.sample_bytes:
            raise ValueError(f"{len(sound)} bytes of {self.encoding.value} end in the middle of a sample")
        return len(sound) // self.sample_bytes

    def decode(self, sound: bytes) -> NDArray[np.int16]:
        """Linear samples, at the edge's rate."""
        match self.encoding:
            case AudioEncoding.S16LE:
                return np.frombuffer(sound, dtype=np.int16)
            case AudioEncoding.MULAW:
                return decode_mulaw(sound)
            case AudioEncoding.ALAW:
                return decode_alaw(sound)

    def encode(self, samples: NDArray[np.int16]) -> bytes:
        """What `decode` reads."""
        match self.encoding:
            case AudioEncoding.S16LE:
                return samples.tobytes()
            case AudioEncoding.MULAW:
                return encode_mulaw(samples)
            case AudioEncoding.ALAW:
                return encode_alaw(samples)
