"""Bearer tokens: the ones a server takes and the one a client shows.

A token file has one NAME:TOKEN a line; empty lines and lines that begin with # say nothing. A name may stand twice
while a new token replaces the old one. Tokens are compared by their hashes and never shown, neither in errors nor in
logs.
"""

import hashlib
import hmac
import math
import re
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final

from voice_operations.credential_files import read_credential
from voice_operations.operator_error import OperatorError

TOKEN_CHARACTERS_MIN: Final = 32
TOKEN_CHARACTERS_MAX: Final = 512
HEADER_CHARACTERS_MAX: Final = 600
ENTROPY_BITS_MIN: Final = 96.0
"""By the frequencies of a token's own characters: random hexadecimal of 32 characters has about 117."""

TOKEN_BYTES: Final = 32
REMEDY: Final = "make one with `voice-orchestrator certs token NAME`"

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # b64token of RFC 6750
_HEADER: Final = re.compile(rf"bearer +({_TOKEN.pattern})", re.IGNORECASE)


class TokenProblem(Enum):
    """Why a peer is not let in."""

    MISSING = "token_missing"
    MALFORMED = "token_malformed"
    UNKNOWN = "token_unknown"


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A peer's name and its secret."""

    name: str
    secret: str = field(repr=False)

    @property
    def authorization(self) -> str:
        """The value of the authorization header."""
        return f"Bearer {self.secret}"


class BearerTokens:
    """The tokens a server takes; keeps their hashes only."""

    __slots__ = ("_digests",)

    def __init__(self, tokens: Sequence[BearerToken]) -> None:
        self._digests = tuple((token.name, _digest(token.secret)) for token in tokens)

    def __repr__(self) -> str:
        return f"BearerTokens({', '.join(name for name, _ in self._digests)})"

    def peer(self, headers: Sequence[str]) -> str | TokenProblem:
        """Name of the peer whose `authorization` header values these are, or why there is none.

        Takes as long for a wrong token as for a right one.
        """
        if not headers:
            return TokenProblem.MISSING
        match = (
            _HEADER.fullmatch(headers[0]) if len(headers) == 1 and len(headers[0]) <= HEADER_CHARACTERS_MAX else None
        )
        if match is None:
            return TokenProblem.MALFORMED
        shown = _digest(match[1])
        found: str | TokenProblem = TokenProblem.UNKNOWN
        for name, digest in self._digests:
            if hmac.compare_digest(digest, shown):
                found = name
        return found


def read_tokens(path: Path | None, text: str = "") -> BearerTokens | None:
    """The tokens in the file at `path`, without one those in `text`, None without either; raises OperatorError."""
    found = _read(path, text)
    return BearerTokens(found) if found else None


def read_own_token(path: Path | None, text: str = "") -> BearerToken | None:
    """The one token a client shows, from the same places; raises OperatorError."""
    found = _read(path, text)
    if len(found) > 1:
        where = path or "the environment"
        raise OperatorError(f"{where}: {len(found)} tokens; a client shows one, so leave one NAME:TOKEN line")
    return found[0] if found else None


def new_token(name: str) -> BearerToken:
    """A token nobody can guess; raises OperatorError when `name` cannot be one."""
    if _NAME.fullmatch(name) is None:
        raise OperatorError(f"{name!r} cannot be the name of a peer: letters, digits and . _ - only, at most 64")
    return BearerToken(name, secrets.token_urlsafe(TOKEN_BYTES))


def _read(path: Path | None, text: str) -> list[BearerToken]:
    if path is None:
        return _parse(text, "the tokens of the environment") if text.strip() else []
    content = read_credential(path, "token file", secret=True)
    try:
        found = _parse(content.decode("utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise OperatorError(f"{path}: not UTF-8 text") from error
    if not found:
        raise OperatorError(f"{path}: holds no token; {REMEDY}")
    return found


def _parse(text: str, where: str) -> list[BearerToken]:
    """Errors name lines only: in a line that is written the wrong way round the name is the token."""
    found: dict[str, BearerToken] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        name, _, secret = entry.partition(":")
        problem = "its token stands twice" if secret in found else _problem(name, secret)
        if problem is not None:
            raise OperatorError(f"{where}: line {number}: {problem}; {REMEDY}")
        found[secret] = BearerToken(name, secret)
    return list(found.values())


def _problem(name: str, secret: str) -> str | None:
    if _NAME.fullmatch(name) is None or _TOKEN.fullmatch(secret) is None:
        return "is not NAME:TOKEN"
    if not TOKEN_CHARACTERS_MIN <= len(secret) <= TOKEN_CHARACTERS_MAX:
        return f"its token has {len(secret)} characters, not {TOKEN_CHARACTERS_MIN} to {TOKEN_CHARACTERS_MAX}"
    if _entropy_bits(secret) < ENTROPY_BITS_MIN:
        return "its token can be guessed"
    return None


def _entropy_bits(secret: str) -> float:
    size = len(secret)
    return -sum(count * math.log2(count / size) for count in Counter(secret).values())


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
