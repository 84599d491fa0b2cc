"""A server on loopback that stands where somebody else's paid service would, and speaks over real HTTP."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol


class Service(Protocol):
    """What answers: `keep` returns a status, a body and headers for what was posted.

    It thinks `delay` seconds before it answers; if it hangs up, it has taken what it was given, silently.
    """

    url: str
    arrived: int
    delay: float
    hangs_up: bool

    def keep(
        self, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes, dict[str, str]]: ...


@contextmanager
def serving(service: Service) -> Iterator[None]:
    """Let `service` answer at its `url`, which is set here."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            service.arrived += 1
            status, content, more = service.keep(self.path, dict(self.headers.items()), body)
            time.sleep(service.delay)
            if service.hangs_up:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
            pass

        def handle(self) -> None:
            # Whoever asked may have gone away.
            with suppress(OSError):
                super().handle()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
