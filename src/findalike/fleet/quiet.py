"""Ray says little: these variables count for what it starts and when it is imported, so they are set before.

A variable that the user has set stays as it is.
"""

from __future__ import annotations

import logging
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

SAID = {
    "RAY_USAGE_STATS_ENABLED": "0",  # a library that works offline reports to nobody
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_LOG_LEVEL": "CRITICAL",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # what workers print would get between the lines of --json
    "RAY_CLIENT_INITIAL_CONNECTION_TIMEOUT_S": "20",  # a head that is busy needs more than its 5
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_worker_niceness": "0",  # else 15: on a busy machine workers would wait for what threads do not
}

for _name, _value in SAID.items():
    os.environ.setdefault(_name, _value)


@contextmanager
def hushed() -> Iterator[None]:
    """What is written to stderr past Python, by Ray's own core as it starts, goes to the log."""
    with tempfile.TemporaryFile() as aside:
        before = os.dup(2)
        os.dup2(aside.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
            aside.seek(0)
            for line in aside.read().decode("utf-8", "replace").splitlines():
                log.debug(line)


def lock() -> None:
    """Let nobody else into a Ray that this process starts: whoever reaches one may run what they like. Ray
    reads this when it is imported, so it cannot be locked later."""
    if "RAY_AUTH_MODE" not in os.environ and "ray" not in sys.modules:
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
