"""Mutual TLS and tokens between the planes, over real sockets: who is let in, who is not, and what each is told."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry
from support.certificates import NOW, expired_identity, new_ca, new_identity
from support.secured_node import SecuredNode, secured_node

from voice_agent.v1 import inference_service_pb2_grpc
from voice_contract.channel_options import CLIENT_OPTIONS, SERVER_OPTIONS
from voice_contract.codec import Peer, decode, decode_description, describe_request, encode
from voice_contract.failures import Failure, FailureReason
from voice_contract.messages import AudioFormat, SessionConfigure, VadSettings
from voice_contract.sequencing import EventSequencer
from voice_operations.bearer_tokens import BearerToken, BearerTokens, new_token
from voice_operations.certificate_trial import Role
from voice_operations.grpc_guard import GrpcGuard
from voice_operations.operator_error import OperatorError
from voice_operations.peer_metrics import PeerMetrics
from voice_operations.private_ca import Use, describe, make_ca
from voice_operations.security import ClientSecurity, ServerSecurity
from voice_operations.tls_files import ClientTls, Identity, ServerTls
from voice_orchestrator.runtime.channels import open_channel, why_refused
from voice_orchestrator.runtime.clock import SessionClock

TIMEOUT_S = 5.0
TOKEN = new_token("orchestrator")
CONFIGURE = SessionConfigure(
    caller_format=AudioFormat(),
    agent_format=AudioFormat(),
    language="en-US",
    voice="",
    vad=VadSettings(activation_threshold=0.5, deactivation_threshold=0.35, min_speech_ms=64, min_silence_ms=200),
)


@dataclass(frozen=True, slots=True)
class Shelf:
    """A CA and what it issued, and a stranger's."""

    folder: Path
    ca: Path
    server: Identity
    client: Identity
    strange_ca: Path
    stranger: Identity


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    folder = tmp_path_factory.mktemp("planes")
    own, strange = folder / "own", folder / "strange"
    ca, strange_ca = new_ca(own), new_ca(strange)
    return Shelf(
        folder=own,
        ca=ca,
        server=new_identity(own, "server", use=Use.SERVER),
        client=new_identity(own, "client", hosts=(), use=Use.CLIENT),
        strange_ca=strange_ca,
        stranger=new_identity(strange, "client", hosts=(), use=Use.CLIENT),
    )


def asking(shelf: Shelf, *, tokens: bool = True) -> ServerSecurity:
    """What a node beyond loopback asks."""
    tls = ServerTls(identity=shelf.server, client_ca=shelf.ca)
    return ServerSecurity(tls=tls, tokens=BearerTokens([TOKEN]) if tokens else None)


def showing(ca: Path, identity: Identity | None, token: BearerToken | None = TOKEN) -> ClientSecurity:
    return ClientSecurity(ClientTls(ca=ca, identity=identity), token)


def credentials_of(ca: Path, identity: Identity) -> grpc.ChannelCredentials:
    """Without the look that would find an expired certificate."""
    return grpc.ssl_channel_credentials(ca.read_bytes(), identity.key.read_bytes(), identity.cert.read_bytes())


async def ask(channel: grpc.aio.Channel, security: ClientSecurity) -> str:
    """The node's version; closes the channel."""
    async with channel:
        stub = inference_service_pb2_grpc.InferenceStub(channel)
        answer = await stub.Describe(describe_request(), metadata=security.metadata, timeout=TIMEOUT_S)
        return decode_description(answer).version


async def refusal(address: str, security: ClientSecurity, channel: grpc.aio.Channel | None = None) -> tuple[str, str]:
    """Status of a call that is not answered, and what the orchestrator makes of it."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ask(channel or open_channel(address, security), security)
    code, details = refused.value.code(), refused.value.details()
    return code.name, why_refused(code, details, security) or f"? {details}"


async def test_who_shows_everything_is_let_in(shelf: Shelf) -> None:
    async with secured_node(asking(shelf)) as node:
        security = showing(shelf.ca, shelf.client)
        for host in ("127.0.0.1", "localhost"):
            assert await ask(open_channel(f"{host}:{node.grpc_port}", security), security)
        assert node.count("voice_inference_tls_handshakes_total", face="grpc") == 2
        assert node.count("voice_inference_certificate_expiry_timestamp_seconds", face="grpc") == (
            describe(shelf.server.cert).expires.timestamp()
        )
        assert all(
            node.refused("grpc", reason) == 0 for reason in ("token_missing", "token_malformed", "token_unknown")
        )


async def test_a_session_is_opened_over_mutual_tls(shelf: Shelf) -> None:
    security = showing(shelf.ca, shelf.client)
    async with secured_node(asking(shelf)) as node, open_channel(node.address, security) as channel:
        call: Any = inference_service_pb2_grpc.InferenceStub(channel).Converse(metadata=security.metadata)
        await call.write(encode(EventSequencer("s", SessionClock().monotonic_us).make(CONFIGURE, 0)))
        answer = decode(await call.read(), Peer.INFERENCE).payload
    assert isinstance(answer, Failure)  # the servicer was reached: its models are not loaded
    assert answer.reason is FailureReason.OVERLOADED


async def test_without_a_certificate_nobody_is_let_in(shelf: Shelf) -> None:
    async with secured_node(asking(shelf)) as node:
        code, why = await refusal(node.address, showing(shelf.ca, None))
        assert (code, why[:45]) == ("UNAVAILABLE", "it refuses a connection without a certificate")
        assert node.count("voice_inference_tls_handshakes_total", face="grpc") == 1


async def test_a_certificate_of_another_ca_is_refused(shelf: Shelf) -> None:
    async with secured_node(asking(shelf)) as node:
        code, why = await refusal(node.address, showing(shelf.ca, shelf.stranger))
    assert (code, why[:40]) == ("UNAVAILABLE", "it refuses the certificate that was show")


async def test_an_expired_client_certificate_is_refused_by_both_ends(shelf: Shelf) -> None:
    expired = expired_identity(shelf.folder, "expired-client")
    with pytest.raises(OperatorError, match="has expired"):
        showing(shelf.ca, expired)
    security = showing(shelf.ca, shelf.client)
    async with secured_node(asking(shelf)) as node:
        channel = grpc.aio.secure_channel(node.address, credentials_of(shelf.ca, expired), options=CLIENT_OPTIONS)
        code, why = await refusal(node.address, security, channel)
    assert (code, "that have not expired" in why) == ("UNAVAILABLE", True)


async def test_a_servers_certificate_makes_nobody_a_client(shelf: Shelf) -> None:
    with pytest.raises(OperatorError, match="not made for a client"):
        showing(shelf.ca, shelf.server)
    security = showing(shelf.ca, shelf.client)
    async with secured_node(asking(shelf)) as node:
        channel = grpc.aio.secure_channel(node.address, credentials_of(shelf.ca, shelf.server), options=CLIENT_OPTIONS)
        code, _ = await refusal(node.address, security, channel)
    assert code == "UNAVAILABLE"


async def test_a_client_without_tls_is_refused(shelf: Shelf) -> None:
    async with secured_node(asking(shelf)) as node:
        code, why = await refusal(node.address, ClientSecurity(token=TOKEN))
    assert (code, why) == ("UNAVAILABLE", "it closes connections without TLS: name its CA")


@pytest.mark.parametrize(
    ("metadata", "reason", "says"),
    [
        ((), "token_missing", "a bearer token is needed"),
        ((("authorization", f"Bearer {new_token('x').secret}"),), "token_unknown", "is not known here"),
        ((("authorization", TOKEN.secret),), "token_malformed", "is not one `Bearer TOKEN`"),
        ((("authorization", TOKEN.authorization),) * 2, "token_malformed", "is not one `Bearer TOKEN`"),
    ],
)
async def test_a_certificate_without_the_right_token_is_not_enough(
    shelf: Shelf, metadata: tuple[tuple[str, str], ...], reason: str, says: str
) -> None:
    async with secured_node(asking(shelf)) as node:
        async with open_channel(node.address, showing(shelf.ca, shelf.client)) as channel:
            stub = inference_service_pb2_grpc.InferenceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.Describe(describe_request(), metadata=metadata, timeout=TIMEOUT_S)
            call = stub.Converse(metadata=metadata, timeout=TIMEOUT_S)
            # A stream is refused before it has said anything.
            assert await call.code() is grpc.StatusCode.UNAUTHENTICATED
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert says in str(refused.value.details())
        assert node.refused("grpc", reason) == 2
        assert TOKEN.secret not in str(refused.value.details())


async def test_what_a_refused_token_means_is_said(shelf: Shelf) -> None:
    async with secured_node(asking(shelf)) as node:
        _, without = await refusal(node.address, showing(shelf.ca, shelf.client, None))
        _, wrong = await refusal(node.address, showing(shelf.ca, shelf.client, new_token("orchestrator")))
    assert without.startswith("it refuses a call without a token")
    assert wrong.startswith("it refuses the token that was shown")


async def test_health_needs_a_certificate_and_no_token(shelf: Shelf) -> None:
    async def health(security: ClientSecurity) -> int:
        async with open_channel(node.address, security) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            return int((await stub.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)).status)

    async with secured_node(asking(shelf)) as node:
        assert await health(showing(shelf.ca, shelf.client, None)) == health_pb2.HealthCheckResponse.NOT_SERVING
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await health(showing(shelf.ca, None, None))
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_where_no_client_ca_is_named_the_token_is_enough(shelf: Shelf) -> None:
    asked = ServerSecurity(tls=ServerTls(identity=shelf.server), tokens=BearerTokens([TOKEN]))
    async with secured_node(asked) as node:
        right = showing(shelf.ca, None)
        assert await ask(open_channel(node.address, right), right)
        code, _ = await refusal(node.address, showing(shelf.ca, None, None))
    assert code == "UNAUTHENTICATED"


async def test_a_token_is_asked_for_on_loopback_when_there_is_one() -> None:
    async with secured_node(ServerSecurity(tokens=BearerTokens([TOKEN]))) as node:
        right = ClientSecurity(token=TOKEN)
        assert await ask(open_channel(node.address, right), right)
        code, _ = await refusal(node.address, ClientSecurity())
    assert code == "UNAUTHENTICATED"


@pytest.mark.parametrize(("tokens", "name"), [(BearerTokens([TOKEN]), b"orchestrator"), (None, b"nobody")])
async def test_a_handler_knows_its_peer_by_the_token(tokens: BearerTokens | None, name: bytes) -> None:
    guard = GrpcGuard(ServerSecurity(tokens=tokens), PeerMetrics("test", CollectorRegistry()))

    async def who(request: bytes, context: Any) -> bytes:
        return (guard.peer_of(context) or "nobody").encode()

    server = guard.make_server(SERVER_OPTIONS)
    handlers: Any = {"Ask": grpc.unary_unary_rpc_method_handler(who)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Who", handlers),))
    port = guard.add_port(server, "127.0.0.1:0")
    await server.start()
    security = ClientSecurity(token=TOKEN)
    async with open_channel(f"127.0.0.1:{port}", security) as channel:
        call: Any = channel.unary_unary("/test.Who/Ask")
        assert await call(b"", metadata=security.metadata, timeout=TIMEOUT_S) == name
    await server.stop(0)


async def test_nothing_is_asked_on_loopback_when_there_is_nothing() -> None:
    async with secured_node(ServerSecurity()) as node:
        assert await ask(open_channel(node.address, ClientSecurity()), ClientSecurity())
        assert node.count("voice_inference_tls_handshakes_total", face="grpc") == 0


async def test_a_client_that_wants_tls_is_told_that_there_is_none(shelf: Shelf) -> None:
    async with secured_node(ServerSecurity()) as node:
        code, why = await refusal(node.address, showing(shelf.ca, shelf.client))
    assert (code, why[:20]) == ("UNAVAILABLE", "it does not speak TL")


@asynccontextmanager
async def impostor(shelf: Shelf, identity: Identity) -> AsyncIterator[str]:
    """A server that shows `identity` without having looked at it."""
    server = grpc.aio.server()
    pair = (identity.key.read_bytes(), identity.cert.read_bytes())
    credentials = grpc.ssl_server_credentials([pair], shelf.ca.read_bytes(), require_client_auth=True)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


async def test_the_orchestrator_refuses_servers_that_are_not_what_it_called(shelf: Shelf) -> None:
    servers = {
        "is for another name": new_identity(shelf.folder, "elsewhere", hosts=("elsewhere",)),
        "has expired": expired_identity(shelf.folder, "expired-server"),
        "is not made for a server": shelf.client,
        "is not of the CA": shelf.stranger,
    }
    security = showing(shelf.ca, shelf.client)
    for says, identity in servers.items():
        async with impostor(shelf, identity) as address:
            code, why = await refusal(address, security)
        assert (code, says in why) == ("UNAVAILABLE", True), why


async def test_who_connects_and_says_nothing_is_let_go(shelf: Shelf) -> None:
    async with secured_node(asking(shelf)) as node:
        reader, writer = await asyncio.open_connection("127.0.0.1", node.grpc_port)
        # gRPC's own limit is longer than any test may take.
        assert await reader.read() == b""
        writer.close()


async def test_a_node_that_is_not_there_is_no_matter_of_certificates(shelf: Shelf) -> None:
    async with impostor(shelf, shelf.server) as address:
        pass
    code, why = await refusal(address, showing(shelf.ca, shelf.client))
    assert (code, why[:1]) == ("UNAVAILABLE", "?")


@pytest.mark.parametrize("role", Role)
async def test_files_that_cannot_be_used_stop_the_node_at_the_start(shelf: Shelf, role: Role) -> None:
    bad = expired_identity(shelf.folder, f"bad-{role.value}") if role is Role.SERVER else shelf.client
    with pytest.raises(OperatorError, match=r"has expired|not made for a server"):
        async with secured_node(ServerSecurity(tls=ServerTls(identity=bad, client_ca=shelf.ca))):
            pass


async def shown_by(node: SecuredNode) -> str:
    """The certificate the node shows to anybody who asks."""
    return await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", node.grpc_port), timeout=TIMEOUT_S)


async def test_a_renewed_certificate_is_used_without_a_restart_and_cuts_nobody(tmp_path: Path) -> None:
    ca = new_ca(tmp_path)
    server, client = new_identity(tmp_path, "server"), new_identity(tmp_path, "client")
    security = showing(ca, client)
    asked = ServerSecurity(tls=ServerTls(identity=server, client_ca=ca), tokens=BearerTokens([TOKEN]))
    async with secured_node(asked) as node, open_channel(node.address, security) as old:
        stub = inference_service_pb2_grpc.InferenceStub(old)
        await stub.Describe(describe_request(), metadata=security.metadata, timeout=TIMEOUT_S)
        before = server.cert.read_text()
        assert await shown_by(node) == before
        new_identity(tmp_path, "server", days=20, replace=True)
        new_identity(tmp_path, "client", days=20, replace=True)
        assert await shown_by(node) == server.cert.read_text() != before
        assert await ask(open_channel(node.address, security), security)
        expires_s = describe(server.cert).expires.timestamp()
        assert node.count("voice_inference_certificate_expiry_timestamp_seconds", face="grpc") == expires_s
        # Half of a pair: the certificate before is still shown.
        server.key.write_bytes(client.key.read_bytes())
        assert await shown_by(node) == server.cert.read_text()
        assert await ask(open_channel(node.address, security), security)
        await stub.Describe(describe_request(), metadata=security.metadata, timeout=TIMEOUT_S)
        assert node.count("voice_inference_tls_handshakes_total", face="grpc") == 6


async def test_a_client_shows_its_renewed_certificate(tmp_path: Path) -> None:
    ca = new_ca(tmp_path)
    server, client = new_identity(tmp_path, "server"), new_identity(tmp_path, "client")
    security = showing(ca, client)
    async with secured_node(ServerSecurity(tls=ServerTls(identity=server, client_ca=ca))) as node:
        assert await ask(open_channel(node.address, security), security)
        # Everything is made again, the CA too: what was read at the start is worth nothing now.
        make_ca(tmp_path, days=30, now=NOW, replace=True)
        for name in ("server", "client"):
            new_identity(tmp_path, name, replace=True)
        assert await ask(open_channel(node.address, security), security)
