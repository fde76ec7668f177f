"""What a server counts, as Prometheus reads it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from findalike.web.service import Service

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The counters of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def made(kind: Any, name: str, words: str, labels: tuple[str, ...] = (), **more: Any) -> Any:
            return kind(f"findalike_{name}", words, labels, registry=self.registry, **more)

        self.requests = made(Counter, "requests", "Requests answered", ("route", "method", "status"))
        self.seconds = made(
            Histogram, "request_seconds", "Until the answer began", ("route",), buckets=SECONDS
        )
        self.under_way = made(Gauge, "requests_under_way", "Requests that are being answered")
        self.stages = made(Counter, "search_stage_seconds", "Where the time of searches goes", ("stage",))
        self.pictures = made(Gauge, "pictures", "Pictures in the library")
        self.jobs = made(Gauge, "jobs", "Jobs that wait or run")
        self.waiting = made(Gauge, "gate_requests", "Requests in or behind a gate", ("gate",))

    def searched(self, milliseconds: Mapping[str, float]) -> None:
        for stage, took in milliseconds.items():
            if stage == "total":
                continue
            self.stages.labels(stage).inc(max(took, 0.0) / 1000)

    def told(self, service: Service, pictures: int) -> bytes:
        self.pictures.set(pictures)
        self.jobs.set(service.jobs.running)
        for name in ("searching", "reading", "writing"):
            self.waiting.labels(name).set(getattr(service, name).inside)
        return generate_latest(self.registry)


class Measured:
    """Counts what passes."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, metrics = time.perf_counter(), self._metrics

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", None) or "other"
                metrics.requests.labels(route, _method(scope["method"]), message["status"]).inc()
                metrics.seconds.labels(route).observe(time.perf_counter() - started)
            await send(message)

        with metrics.under_way.track_inprogress():
            await self._app(scope, receive, counted)


def _method(method: str) -> str:
    """Clients make up methods; a counter has few."""
    return method if method in ("GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS") else "other"
