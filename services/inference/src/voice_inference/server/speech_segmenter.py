"""Turns speech probabilities of windows into onsets and ends of speech, with hysteresis. Pure."""

from dataclasses import dataclass
from typing import Final

from voice_contract.audio import samples_from_ms
from voice_contract.messages import SpeechEnded, SpeechFaltered, SpeechStarted, VadSettings

CLEAR: Final = 0.7
"""Probability below which speech falters, when the activation threshold is lower.

Silero's falls slowly: on 39 recordings it passes 0.7 half a window before 0.35, and in every fourth second of speech.
"""

Decided = SpeechStarted | SpeechFaltered | SpeechEnded


@dataclass(slots=True)
class SpeechSegmenter:
    """Decides for one session. Windows are consecutive stretches of its sound.

    Speech starts at the first of enough consecutive windows at or above the activation threshold, and ends behind the
    last window that was not below the deactivation threshold once enough silence followed. It falters in the first
    window that is not clear speech any more.
    """

    settings: VadSettings
    window_samples: int
    speaking: bool = False
    _clear: bool = False
    _candidate_samples: int | None = None
    _speech_end_samples: int = 0

    def accept(self, start_samples: int, probability: float) -> Decided | None:
        """Takes the window that begins at `start_samples`; gives what it decided, if anything."""
        end_samples = start_samples + self.window_samples
        if self.speaking:
            return self._while_speaking(end_samples, probability)
        if probability < self.settings.activation_threshold:
            self._candidate_samples = None
            return None
        if self._candidate_samples is None:
            self._candidate_samples = start_samples
        if end_samples - self._candidate_samples < samples_from_ms(self.settings.min_speech_ms):
            return None
        started = SpeechStarted(start_offset_samples=self._candidate_samples, detected_offset_samples=end_samples)
        self.speaking = True
        self._clear = self._is_clear(probability)
        self._candidate_samples = None
        self._speech_end_samples = end_samples
        return started

    def _while_speaking(self, end_samples: int, probability: float) -> SpeechFaltered | SpeechEnded | None:
        falters = self._clear and not self._is_clear(probability)
        self._clear = self._is_clear(probability)
        if probability >= self.settings.deactivation_threshold:
            self._speech_end_samples = end_samples
        elif end_samples - self._speech_end_samples >= samples_from_ms(self.settings.min_silence_ms):
            self.speaking = False
            return SpeechEnded(end_offset_samples=self._speech_end_samples, detected_offset_samples=end_samples)
        return SpeechFaltered(detected_offset_samples=end_samples) if falters else None

    def _is_clear(self, probability: float) -> bool:
        return probability >= max(CLEAR, self.settings.activation_threshold)
