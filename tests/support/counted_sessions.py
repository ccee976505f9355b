"""ONNX Runtime sessions that remember their calls, and cancel the work inside one of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from voice_inference.engines.base import CancelToken
from voice_inference.engines.tts.voice_network import OpenSession, session_opener


class CountedSessions:
    """Opens real sessions; the calls of all of them are counted together."""

    def __init__(self) -> None:
        self.inputs: list[Mapping[str, NDArray[Any]]] = []
        """What each call was given."""
        self.failures: list[str] = []
        """What calls ended with that did not end well."""
        self._cancel_in: tuple[int, CancelToken] | None = None
        self._open = session_opener("cpu", 1)

    @property
    def lengths(self) -> list[int]:
        """Of each call, how long what it was given is: phoneme ids, or frames."""
        return [next(iter(given.values())).shape[-1] for given in self.inputs]

    def cancel_in(self, call: int, token: CancelToken) -> None:
        """Cancels `token` when call number `call`, counted from 0, has begun."""
        self._cancel_in = (call, token)

    def opener(self, device: str, threads: int) -> OpenSession:
        """In the place of session_opener."""
        return lambda model: _CountedSession(self, self._open(model))

    def run(self, session: Any, inputs: Mapping[str, NDArray[Any]], options: Any) -> Any:
        self.inputs.append(dict(inputs))
        if self._cancel_in is not None and self._cancel_in[0] == len(self.inputs) - 1:
            self._cancel_in[1].cancel()
        try:
            return session.run(None, inputs, options)
        except Exception as error:
            self.failures.append(str(error))
            raise


class _CountedSession:
    def __init__(self, sessions: CountedSessions, session: Any) -> None:
        self._sessions, self._session = sessions, session

    def run(self, outputs: Sequence[str] | None, inputs: Mapping[str, NDArray[Any]], options: Any) -> Any:
        return self._sessions.run(self._session, inputs, options)
