"""A receiver of webhooks on loopback, for tests: it keeps what it is sent and answers as it is told to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECONDS = 60


@dataclass
class WebhookReceiver:
    """What came, in order: headers and body of each message. `answer` gives the status of the next answer."""

    port: int
    answer: Callable[[], int] = lambda: 204
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/hook/T0KEN"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.came]

    @property
    def names(self) -> list[str]:
        return [event["event"] for event in self.events]

    def wait_for(self, number: int) -> None:
        deadline = time.monotonic() + SECONDS
        while len(self.came) < number:
            assert time.monotonic() < deadline, f"waited in vain for {number}: {self.events}"
            time.sleep(0.02)


@contextmanager
def webhook_receiver() -> Iterator[WebhookReceiver]:
    """A receiver that listens while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.came.append((dict(self.headers), body))
            status = receiver.answer()
            self.send_response(status)
            if status // 100 == 3:
                self.send_header("Location", receiver.url)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:  # where a redirection that is followed would come
            receiver.came.append((dict(self.headers), b'{"event": "followed"}'))

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: what is printed is looked at."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver = WebhookReceiver(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
