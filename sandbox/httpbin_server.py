"""The fixture's own process: httpbin on listening sockets that it is handed, contained before it answers anybody.

    python httpbin_server.py JOB FD

Over the socket FD it sends the certificate of its authority, and gets three descriptors a message: the sockets for HTTP
and HTTPS, and a pipe whose end means that both are to be closed. Run by path; knows nothing about who asks.
"""

from __future__ import annotations

import json
import os
import runpy
import selectors
import socket
import ssl
import sys
import threading
from pathlib import Path
from typing import Any

_HOST = "127.0.0.1"
_NAMES = ("httpbin.org", "www.httpbin.org")
_MESSAGE_BYTES = 1 << 16
_BODY_BYTES = 64 * 2**20
_IDLE_SECONDS = 30.0
_STACK_BYTES = 1 << 19
_CONNECTIONS = 1024


def main() -> None:
    """Make the certificate, give up all rights, and serve until the other end goes away."""
    job = json.loads(sys.argv[1])
    control = socket.socket(fileno=int(sys.argv[2]))
    try:
        context, authority = certify()
        serve_on = prepare(context)
        confine(job)
    except Exception as error:
        control.send(json.dumps({"error": f"{type(error).__name__}: {error}"[:1000]}).encode())
        return
    control.send(json.dumps({"authority": authority}).encode())
    serve(control, serve_on)


def certify() -> tuple[ssl.SSLContext, str]:
    """A server's context for httpbin's names, and the certificate of the authority that vouches for it."""
    import trustme

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*_NAMES).configure_cert(context)
    return context, authority.cert_pem.bytes().decode("ascii")


def confine(job: dict[str, Any]) -> None:
    """Take away from this process all but answering; threads that it may start bound the connections."""
    rights = runpy.run_path(str(Path(__file__).with_name("confine.py")))
    rules = -1
    if job["landlock"]:
        rules = rights["ruleset"](job["landlock"], job["folder"], rights["readable_roots"]())
    rights["contain"]({**job, "processes": _CONNECTIONS}, rules)


def prepare(context: ssl.SSLContext) -> Any:
    """A function that makes a server of a listening socket: `serve_on(descriptor, tls)`."""
    import httpbin
    from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

    threading.stack_size(_STACK_BYTES)
    httpbin.app.config["MAX_CONTENT_LENGTH"] = _BODY_BYTES

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        # httpbin believes that only gunicorn can take a body in chunks; this server can.
        return httpbin.app(environ | {"SERVER_SOFTWARE": "gunicorn/"}, start_response)

    class Handler(WSGIRequestHandler):
        def version_string(self) -> str:
            return "httpbin"

        def log(self, type: str, message: str, *args: Any) -> None:
            """Nobody reads it."""

    class Server(ThreadedWSGIServer):
        timeout = 0  # of handle_request's wait for a connection

        def finish_request(self, request: Any, client_address: Any) -> None:
            """In the connection's own thread: nobody is kept waiting by one who doesn't shake hands."""
            request.settimeout(_IDLE_SECONDS)
            if self.ssl_context is None:
                super().finish_request(request, client_address)
                return
            with self.ssl_context.wrap_socket(request, server_side=True) as wrapped:
                super().finish_request(wrapped, client_address)

        def handle_error(self, request: Any, client_address: Any) -> None:
            """One who breaks off, or speaks no HTTP, is no error of this server."""

    def serve_on(descriptor: int, tls: bool) -> Server:
        server = Server(_HOST, 0, application, Handler, fd=descriptor)
        server.socket.setblocking(False)
        server.ssl_context = context if tls else None
        return server

    return serve_on


def serve(control: socket.socket, serve_on: Any) -> None:
    """Take over sockets and answer on them, until the other end of `control` goes away."""
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is control:
                    message, descriptors, _, _ = socket.recv_fds(control, _MESSAGE_BYTES, 3)
                    if not message:
                        os._exit(0)
                    *listeners, lifeline = descriptors
                    servers = [serve_on(listener, tls) for listener, tls in zip(listeners, (False, True), strict=True)]
                    for listener in listeners:
                        os.close(listener)
                    for server in servers:
                        selector.register(server, selectors.EVENT_READ, server)
                    selector.register(lifeline, selectors.EVENT_READ, servers)
                elif isinstance(key.data, list):
                    for server in key.data:
                        selector.unregister(server)
                        server.server_close()
                    selector.unregister(key.fileobj)
                    os.close(key.fd)
                else:
                    key.data.handle_request()


if __name__ == "__main__":
    main()
