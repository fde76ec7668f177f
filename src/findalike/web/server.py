"""A server that runs: uvicorn with its bounds, the browser that is opened, the file manager that is asked."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from findalike.errors import UsageError
from findalike.library import Library
from findalike.web.app import create_app
from findalike.web.config import Config, Limits
from findalike.web.protocol import Bounds, bounded
from findalike.web.service import Service

LOG = logging.getLogger(__name__)


def serve(library: Library, config: Config, started: Callable[[str], None]) -> None:
    """Serve a library until the process is interrupted. `started` is told the address once it listens. Raises
    UsageError when the address cannot be listened on."""
    listener = listening(config)
    reveal = opener() if config.is_local else None
    server = runner(create_app(Service(library, config, reveal)), config)
    port = listener.getsockname()[1]
    name = f"[{config.host}]" if ":" in config.host else config.host
    threading.Thread(
        target=_when_started, args=(server, started, f"http://{name}:{port}/"), daemon=True
    ).start()
    server.run([listener])


def runner(app: FastAPI, config: Config) -> uvicorn.Server:
    """What runs an application, with its bounds on clients."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=bounded(_bounds(config.limits)),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=5,
        )
    )


def open_page(address: str) -> None:
    """In the browser of whoever started the server."""
    try:
        webbrowser.open(address)
    except webbrowser.Error as error:
        LOG.info("no browser: %s", error)


def opener() -> Callable[[Path], None] | None:
    """What shows a file in this machine's file manager; None where there is none."""
    if sys.platform == "darwin":
        return lambda path: _run("open", "-R", str(path))
    if sys.platform == "win32":
        return lambda path: _run("explorer", f"/select,{path}")
    if shutil.which("xdg-open") and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return lambda path: _run("xdg-open", str(path.parent))
    return None


def _bounds(limits: Limits) -> Bounds:
    """More requests than the gates let wait, so that it is they who tell clients to come back."""
    return Bounds(stall_seconds=limits.stall, requests=2 * limits.waiting + 64)


def _run(*command: str) -> None:
    """A path is absolute, so that none is taken for an option."""
    subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        close_fds=True,
    )


def listening(config: Config) -> socket.socket:
    """The socket of a server. Raises UsageError when the address is taken or none of this machine's."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    # Only of sockets that say that they are TCP does asyncio turn off Nagle's algorithm, which holds answers
    # back by 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((config.host, config.port))
    except OSError as error:
        listener.close()
        advice = "" if config.port == 0 else f"; is another server there? Try --port {config.port + 1}"
        raise UsageError(
            f"cannot listen on {config.host}, port {config.port}: {error.strerror or error}{advice}"
        ) from None
    listener.listen(512)
    return listener


def _when_started(server: uvicorn.Server, started: Callable[[str], None], address: str) -> None:
    while not server.started and not server.should_exit:
        threading.Event().wait(0.01)
    if server.started:
        started(address)
