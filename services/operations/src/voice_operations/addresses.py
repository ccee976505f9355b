"""Addresses to listen on and to call, HOST:PORT, and whether they stay on this machine."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from voice_operations.operator_error import OperatorError

PORT_MAX: Final = 65_535
NAME_CHARACTERS_MAX: Final = 253

_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
# Resolvers read 127.1, 0x7f.1 and 2130706433 as IPv4 addresses; nobody who means a name writes one.
_LIKE_A_NUMBER: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?")


@dataclass(frozen=True, slots=True)
class Address:
    """A host, without the brackets of IPv6, and a port; as text HOST:PORT again."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether nobody but this machine can be at the other end; of all names only localhost is believed."""
        try:
            ip = ipaddress.ip_address(self.host)
        except ValueError:
            return self.host.rstrip(".").lower() == "localhost"
        mapped = getattr(ip, "ipv4_mapped", None)
        return (mapped or ip).is_loopback


def parse_address(text: str, *, listening: bool = False) -> Address:
    """The address in HOST:PORT; IPv6 stands in brackets. Port 0, a free one, means something only when `listening`.

    Raises OperatorError.
    """
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if bracketed else host
    if not colon or not (port.isascii() and port.isdigit()) or len(port) > 5:
        raise OperatorError(f"{text} is not HOST:PORT")
    if not (0 if listening else 1) <= int(port) <= PORT_MAX:
        raise OperatorError(f"{text} is not HOST:PORT; ports are 1 to {PORT_MAX}")
    if ":" in bare and not bracketed:
        raise OperatorError(f"{text} is not HOST:PORT; IPv6 addresses stand in brackets, as [::1]:50061")
    if not (_is_ip(bare, 6) if bracketed else _is_ip(bare, 4) or is_host_name(bare)):
        raise OperatorError(f"{text} is not HOST:PORT; {host or 'nothing'} is neither a name nor an IP address")
    return Address(bare, int(port))


def is_host_name(text: str) -> bool:
    """Whether `text` can be the DNS name of a machine."""
    plausible = len(text) <= NAME_CHARACTERS_MAX and _NAME.fullmatch(text) is not None
    return plausible and _LIKE_A_NUMBER.fullmatch(text) is None


def _is_ip(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False
