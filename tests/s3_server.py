"""A server that speaks S3's protocol (moto) on loopback, for `pytest_plugins = ["s3_server"]`: one for each
process that runs tests, started when a test first asks."""

from __future__ import annotations

import http.client
import itertools
import logging
import os
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

pytest.importorskip("s3fs", reason="needs pip install 'findalike[s3]'")
server = pytest.importorskip("moto.server", reason="needs pip install 'moto[s3]' flask flask-cors")

from moto.core import DEFAULT_ACCOUNT_ID  # noqa: E402
from moto.s3.models import s3_backends  # noqa: E402

_numbers = itertools.count()


@cache
def port() -> int:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = server.ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    running.start()
    found: int = running.get_host_and_port()[1]
    return found


def environment(at: int) -> dict[str, str]:
    """The variables with which a server on this port of loopback is asked, and nothing of the user's."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{at}",
        "AWS_ACCESS_KEY_ID": "test-key",
        "AWS_SECRET_ACCESS_KEY": "test-secret",
        "AWS_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def new_bucket() -> str:
    """The name of a bucket that was made for this."""
    name = f"bucket-{os.getpid()}-{next(_numbers)}"
    made = urllib.request.Request(f"http://127.0.0.1:{port()}/{name}", method="PUT")
    urllib.request.urlopen(made, timeout=30).close()
    return name


def backend() -> Any:
    """The server's own memory, into which thousands of objects go faster than over the network."""
    return s3_backends[DEFAULT_ACCOUNT_ID]["aws"]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an empty bucket, with what it takes to reach it in the environment."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in environment(port()).items():
        monkeypatch.setenv(name, value)
    return new_bucket()


class Way:
    """A way to the server on which a test can answer in its place, wait, or change what is asked. `heard` has
    the method and the path of every request; `most` were under way at a time."""

    def __init__(self) -> None:
        self.answers: Callable[[str, str], tuple[int, str] | None] = lambda method, path: None
        self.delay = 0.0
        self.without: tuple[str, ...] = ()
        self.heard: list[tuple[str, str]] = []
        self.most = self._now = 0
        self._lock = threading.Lock()
        way = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65_537)
                if self.raw_requestline and self.parse_request():
                    way.hand_on(self)
                else:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.port = self._server.server_port

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def hand_on(self, asked: BaseHTTPRequestHandler) -> None:
        with self._lock:
            self.heard.append((asked.command, asked.path))
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            time.sleep(self.delay)
            self._answer(asked)
        finally:
            with self._lock:
                self._now -= 1

    def _answer(self, asked: BaseHTTPRequestHandler) -> None:
        body = asked.rfile.read(int(asked.headers.get("Content-Length", 0)))
        if own := self.answers(asked.command, asked.path):
            status, code = own
            text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()
            self._send(asked, status, {"Content-Type": "application/xml"}, text)
            return
        headers = {name: value for name, value in asked.headers.items() if name not in self.without}
        line = http.client.HTTPConnection("127.0.0.1", port(), timeout=30)
        with closing(line):
            line.request(asked.command, asked.path, body, headers)
            answer = line.getresponse()
            self._send(asked, answer.status, dict(answer.getheaders()), answer.read())

    def _send(self, asked: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes) -> None:
        asked.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                asked.send_header(name, value)
        if asked.command == "HEAD":
            asked.send_header("Content-Length", headers.get("Content-Length", "0"))
        else:
            asked.send_header("Content-Length", str(len(body)))
        asked.end_headers()
        if asked.command != "HEAD":
            with suppress(OSError):  # of a client that waits no more
                asked.wfile.write(body)


@pytest.fixture
def way(bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    """The way by which the bucket is reached from here."""
    made = Way()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{made.port}")
    yield made
    made.close()
