"""Serves one page and its feed to browsers on this machine, and to nobody else."""

from __future__ import annotations

import os
import secrets
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Thread
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from playground.errors import PlaygroundError
from playground.serving.feed import Feed

HOST: Final = "127.0.0.1"
"""Other machines cannot reach it."""

TOKEN_BYTES = 16

IDLE_SECONDS = 15.0
"""After so long without a message, a comment is sent, which finds out whether the browser still listens."""

SOCKET_SECONDS = 30.0
"""How long a request may take to arrive, and a browser to take what is sent."""

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class PageServer(ThreadingHTTPServer):
    """Serves a page under `/` and its feed under `/events`, to whoever knows the token.

    :param page: the page, with its content security policy in it.
    :param feed: what the page is told.
    :param port: 0 for any free one.
    :raises PlaygroundError: the port cannot be used.
    """

    daemon_threads = True
    allow_reuse_address = os.name == "posix"  # elsewhere it would let two programs share a port

    def __init__(self, page: str, feed: Feed, port: int = 0) -> None:
        self.page = page.encode()
        self.feed = feed
        self.token = secrets.token_urlsafe(TOKEN_BYTES)
        try:
            super().__init__((HOST, port), PageRequest)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise PlaygroundError(
                f"--port {port}: {reason}; give another port, or leave the option out for a free one"
            ) from None

    @property
    def port(self) -> int:
        """The port."""
        return int(self.server_address[1])

    @property
    def address(self) -> str:
        """The address of the page, with the token."""
        return f"http://{HOST}:{self.port}/?token={self.token}"

    def start(self) -> None:
        """Serve in a thread until this process ends."""
        Thread(target=self.serve_forever, daemon=True).start()

    def server_bind(self) -> None:
        """Bind without asking for the name of this machine, which can take seconds."""
        TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a browser that went away; print other exceptions, which are our mistakes."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class PageRequest(BaseHTTPRequestHandler):
    """A request to a `PageServer`."""

    server: PageServer
    server_version = "playground"
    sys_version = ""
    timeout = SOCKET_SECONDS

    def do_GET(self) -> None:
        """Send the page or its feed; 403 for a stranger, 404 for any other path."""
        path = urlsplit(self.path).path
        if not self._is_allowed():
            self.send_error(HTTPStatus.FORBIDDEN, explain="Use the address that the command printed.")
        elif path == "/":
            self._send_page()
        elif path == "/events":
            self._send_feed()
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def end_headers(self) -> None:
        """Add the headers that every answer has."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Keep requests out of the terminal."""

    def _is_allowed(self) -> bool:
        """Tell whether a request is from the page itself, or from whoever has its address.

        The header `Host` keeps out pages whose name was made to point to this machine, `Origin` other pages that a
        browser shows, and the token other users of this machine.
        """
        own = {f"{name}:{self.server.port}" for name in (HOST, "localhost")}
        origin = self.headers.get("Origin")
        given = parse_qs(urlsplit(self.path).query).get("token", [""])[0]
        return (
            self.headers.get_all("Host", []) in [[each] for each in own]
            and (origin is None or origin in {f"http://{each}" for each in own})
            and secrets.compare_digest(given.encode(), self.server.token.encode())
        )

    def _send_page(self) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(self.server.page)))
        self.send_header("Content-Security-Policy", "frame-ancestors 'none'")  # the page itself says the rest
        self.end_headers()
        self.wfile.write(self.server.page)

    def _send_feed(self) -> None:
        """Send server-sent events until the browser goes away or the command ends.

        Source: https://html.spec.whatwg.org/multipage/server-sent-events.html.
        """
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        feed, seen = self.server.feed, 0
        with feed.listen():
            while True:
                has_ended = feed.has_ended
                messages = feed.wait_for_newer(seen, IDLE_SECONDS)
                events = [f"event: {kind}\ndata: {text}\n\n" for _, kind, text in messages]
                self.wfile.write("".join(events or [": still here\n\n"]).encode())
                if has_ended:
                    return
                seen = max((number for number, _, _ in messages), default=seen)
