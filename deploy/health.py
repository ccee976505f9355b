"""Asks the service of this container whether it is ready: `health.py PORT [PATH]`; exit code 0 if it is.

Where the service has a certificate ($VOICE_AGENT_TLS_CERT), this very one is expected, and that it has not expired.
"""

import http.client
import os
import ssl
import sys

TIMEOUT_S = 2.0


def connection(port: int) -> http.client.HTTPConnection:
    """A connection to the service, which is not yet open."""
    certificate = os.environ.get("VOICE_AGENT_TLS_CERT")
    if not certificate:
        return http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The certificate itself is what is believed, whoever signed it and whatever names it has.
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(certificate)
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT_S, context=context)


def main(arguments: list[str]) -> int:
    """Exit code: 0 the service is ready, 1 it is not."""
    service = connection(int(arguments[0]))
    try:
        service.request("GET", arguments[1] if len(arguments) > 1 else "/readyz")
        answer = service.getresponse()
        print(answer.status, answer.read(200).decode(errors="replace").strip())
        return 0 if answer.status == http.HTTPStatus.OK else 1
    except OSError as error:
        print(error)
        return 1
    finally:
        service.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
