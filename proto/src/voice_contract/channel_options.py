"""gRPC options of both ends of both streams, and the timings that hold between peers.

HTTP/2 flow control alone lets a sender queue about 4 MiB a stream (130 s of sound); with `bdp_probe` off and 16 KiB of
look-ahead on both ends it is 0.5 s. 8 KiB of look-ahead stalls streams, so 16 KiB is the floor.
"""

from typing import Final

HEARTBEAT_INTERVAL_MS: Final = 250
PEER_SILENT_AFTER_MS: Final = 1_000
MESSAGE_BYTES_MAX: Final = 1 << 20
AUDIO_BYTES_MAX: Final = 64 << 10

_COMMON: Final[tuple[tuple[str, int], ...]] = (
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 16_384),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
)

CLIENT_OPTIONS: Final[tuple[tuple[str, int], ...]] = (
    *_COMMON,
    ("grpc.initial_reconnect_backoff_ms", 100),
    # This is also how long one attempt to connect may take, a TLS handshake on a busy machine included.
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 500),
    # Every session's node gets a connection of its own: a shared one would share its flow control.
    ("grpc.use_local_subchannel_pool", 1),
)

SERVER_OPTIONS: Final[tuple[tuple[str, int], ...]] = (
    *_COMMON,
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    # A second server on the same port must fail, not share it.
    ("grpc.so_reuseport", 0),
)
