"""The text of a reply while its tokens are being chosen: whole characters, no stop texts, and when it is over. Pure."""

import codecs

from voice_contract.messages import FinishReason
from voice_inference.engines.llm.stop_filter import StopFilter


class ReplyText:
    """Takes the bytes of one token after the other and gives the text that may be passed on."""

    def __init__(self, *, stop: tuple[str, ...], max_tokens: int) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stop = StopFilter(stop)
        self._max_tokens = max_tokens
        self.written = 0
        """Tokens that were taken."""
        self.reason: FinishReason | None = None
        """Why the reply is over; None while it is not."""

    def push(self, piece: bytes) -> str:
        """The text that has become certain with a token; may be empty."""
        self.written += 1
        text = self._stop.push(self._decoder.decode(piece))
        if self._stop.stopped:
            self.reason = FinishReason.STOP
        elif self.written >= self._max_tokens:
            self.reason = FinishReason.LENGTH
        return text if self.reason is None else text + self._rest()

    def end(self) -> str:
        """The model has chosen to end; the text that was held back."""
        self.reason = FinishReason.STOP
        return self._rest()

    def _rest(self) -> str:
        return self._stop.push(self._decoder.decode(b"", final=True)) + self._stop.finish()
