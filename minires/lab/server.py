"""The page on this machine: a server for the loopback address alone, whose pages only who knows the token can ask.

No file is served: an address is either the page, or where it asks, or refused. Other pages in the same browser cannot
ask (their Origin is another), a name that leads here neither (Host), and what comes in is bounded before it is read.
"""

import contextlib
import errno
import json
import secrets
import socket
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ..errors import RangeError, StateError
from .choices import known, shown, whole
from .lab import Lab
from .page import to_html

LOOPBACK, PORT, TRIES = "127.0.0.1", 8356, 20
MOST_BYTES, MOST_LABS, SECONDS = 1 << 16, 8, 10
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class Labs:
    """A :class:`~minires.lab.Lab` for each page that is open, by the name that the page has drawn; the least recently
    used is dropped. One computes at a time: two would wait for each other's cores."""

    def __init__(self) -> None:
        self._labs: OrderedDict[str, Lab] = OrderedDict()
        self._lock = threading.Lock()

    def respond(self, request: Any) -> dict[str, Any]:
        """The answer of the lab called ``request["lab"]`` to ``request["ask"]``."""
        try:
            known(request, ("lab", "ask"), "the request")
            name = request.get("lab")
            if not isinstance(name, str) or not 1 <= len(name) <= 64:
                raise RangeError(f"lab is {shown(name)}, expected the name of a page, of 1 to 64 characters")
        except RangeError as error:
            return {"error": str(error)}
        with self._lock:
            lab = self._labs.setdefault(name, Lab())
            self._labs.move_to_end(name)
            while len(self._labs) > MOST_LABS:
                self._labs.popitem(last=False)
            return lab.respond(request.get("ask"))


class Handler(BaseHTTPRequestHandler):
    """One request: the page at /TOKEN/, what it asks at /TOKEN/ask, nothing else."""

    server: "Server"
    server_version, sys_version, timeout = "minires", "", SECONDS

    def do_GET(self) -> None:
        if self._is_refused():
            return
        if self.path != self.server.place:
            return self._refuse(HTTPStatus.NOT_FOUND, f"there is nothing here: the page is {self.server.address}")
        self._send(HTTPStatus.OK, "text/html; charset=utf-8", self.server.page)

    def do_POST(self) -> None:
        if self._is_refused():
            return
        if self.path != f"{self.server.place}ask":
            return self._refuse(HTTPStatus.NOT_FOUND, f"nothing is asked here, but at {self.server.address}ask")
        if self.headers.get_content_type() != "application/json":
            return self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the request is not application/json")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or "Transfer-Encoding" in self.headers:
            return self._refuse(HTTPStatus.LENGTH_REQUIRED, "the request does not say how long it is (Content-Length)")
        if len(length) > 9 or int(length) > MOST_BYTES:
            words = f"the request has {length[:20]} bytes, expected at most {MOST_BYTES}"
            return self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, words)
        try:
            request = json.loads(self.rfile.read(int(length)).decode("utf-8"))
        except (ValueError, RecursionError):
            return self._refuse(HTTPStatus.BAD_REQUEST, "the request is no JSON")
        answer = json.dumps(self.server.labs.respond(request), allow_nan=False)
        self._send(HTTPStatus.OK, "application/json", answer.encode())

    def _is_refused(self):
        """Whether the request does not come from the page of this server; it is answered then."""
        port = self.server.server_address[1]
        hosts = {f"{name}:{port}" for name in (LOOPBACK, "localhost")}
        origin = self.headers.get("Origin")
        if self.headers.get("Host", "").lower() not in hosts:
            self._refuse(HTTPStatus.FORBIDDEN, f"the host is another one, expected {LOOPBACK}:{port}")
        elif origin is not None and origin.lower() not in {f"http://{host}" for host in hosts}:
            self._refuse(HTTPStatus.FORBIDDEN, "another page asks, expected that of this server")
        elif not secrets.compare_digest(self.path[: len(self.server.place)].encode(), self.server.place.encode()):
            words = "the address lacks the token: take the whole address that minires lab has printed"
            self._refuse(HTTPStatus.FORBIDDEN, words)
        else:
            return False
        return True

    def _send(self, status, kind, body):
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **HEADERS}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, status, words):
        self._send(status, "text/plain; charset=utf-8", f"minires lab: {words}\n".encode())
        self.wfile.flush()
        with contextlib.suppress(OSError):  # what is still on its way would cut the answer off
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(0.5)
            for _ in range(4096):
                if not self.connection.recv(1 << 16):
                    break

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """For what the base class refuses: other methods, lines that are no HTTP."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self._refuse(HTTPStatus(code), message or HTTPStatus(code).phrase)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the token stands in every line."""


class Server(ThreadingHTTPServer):
    """Listens on the loopback address; ``address`` is what to open."""

    daemon_threads = True  # a page that waits holds nothing up
    block_on_close = False

    def __init__(self, port: int, language: str) -> None:
        super().__init__((LOOPBACK, port), Handler)
        self.labs, self.page = Labs(), to_html(language).encode()
        self.place = f"/{secrets.token_urlsafe(24)}/"
        self.address = f"http://{LOOPBACK}:{self.server_address[1]}{self.place}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle is no error; anything else is shown as usual."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def serve(port: int | None = None, *, language: str = "en", ready: Callable[[str], Any] = lambda address: None) -> None:
    """Serve the page on this machine until Ctrl-C, which is raised on as KeyboardInterrupt.

    port: where to listen, by default 8356 or the next that is free   language: "en" or "zh"
    ready: called with the address to open once the server listens
    Raises StateError where the port is in use, or no port may be had.
    """
    with _listening(port, language) as server:
        ready(server.address)
        server.serve_forever(poll_interval=0.1)


def _listening(port, language):
    ports = range(PORT, PORT + TRIES) if port is None else [whole("port", port, 0, 65535)]
    for number in ports:
        try:
            return Server(number, language)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            why = error
    names = f"port {port} is" if port is not None else f"ports {PORT} to {PORT + TRIES - 1} are"
    what = "in use" if why.errno == errno.EADDRINUSE else "not for this user"
    raise StateError(f"{names} {what}: take another one, --port 0 for any that is free")
