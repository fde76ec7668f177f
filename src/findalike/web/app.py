"""The application: routes, the guards before them, and errors as problems."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, Response
from starlette.routing import Match
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from findalike import __version__
from findalike.errors import FindalikeError, ReadError
from findalike.web import (
    about,
    assets,
    exports,
    feedback,
    files,
    parts,
    people,
    review,
    runs,
    search,
    uploads,
)
from findalike.web.access import Access
from findalike.web.guard import BodyLimit, Headers, HostCheck, SameOrigin
from findalike.web.metrics import Measured
from findalike.web.problems import ProblemError, code_of, code_of_status, problem_response, told_of
from findalike.web.responses import told
from findalike.web.schema import Problem, SearchIn
from findalike.web.service import Service

LOG = logging.getLogger(__name__)

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
"""Nothing from other hosts, nothing inline, nothing that frames the page."""

ABOUT = """Find pictures by words, by pictures that look like them, or by both.

Errors are RFC 9457 problem details with a stable `code`. Lists go on by `cursor`, which stays right while the
library grows. On other addresses than this machine's own each request needs a token."""

METHODS = ("GET", "POST", "PATCH", "DELETE")

STATIC = Path(str(resources.files("findalike.web") / "static"))


def create_app(service: Service) -> FastAPI:
    """The application that serves a library; `service` is closed with it."""
    app = FastAPI(
        title="findalike",
        version=__version__,
        description=ABOUT,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        middleware=_guards(service),
        redirect_slashes=False,
    )
    app.state.service = service
    for module in (search, uploads, exports, assets, files, parts, people, feedback, review, runs, about):
        app.include_router(module.router)
    app.include_router(people.faces)
    app.include_router(people.seen)
    app.include_router(review.attributes)
    app.include_router(about.health)
    app.add_api_route("/", page, include_in_schema=False)
    app.mount("/static", Static(directory=STATIC), name="static")
    for kind, answer in (
        (ProblemError, _problem),
        (RequestValidationError, _invalid),
        (HTTPException, _bare),
        (FindalikeError, _refused),
    ):
        app.add_exception_handler(kind, answer)  # type: ignore[arg-type]
    _complete(app)
    return app


async def page() -> FileResponse:
    """The page. What it is made of is asked for anew each time, and sent only when it changed."""
    return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})


class Static(StaticFiles):
    """The page's own files."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


class Heads:
    """Answers HEAD as GET; the server leaves the content out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = scope["type"] == "http" and scope["method"] == "HEAD"
        await self._app({**scope, "method": "GET"} if head else scope, receive, send)


class Failing:
    """Turns what nothing foresaw into a problem inside of the guards, so that it has their headers too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except ClientDisconnect:
            return  # there is nobody to answer
        except Exception as error:
            if started or scope["type"] != "http":
                raise
            response = await _unexpected(Request(scope), error)
            await response(scope, receive, send)


def _guards(service: Service) -> list[Middleware]:
    """The outermost first."""
    config, limits = service.config, service.config.limits
    guards = [
        Middleware(Heads),
        Middleware(Measured, metrics=service.metrics),
        Middleware(Headers, csp=POLICY),
        Middleware(Failing),
        Middleware(HostCheck, hosts=config.names, any_address=not config.is_local),
        Middleware(SameOrigin, origins=frozenset(config.origins)),
    ]
    if config.origins:
        guards.append(
            Middleware(
                CORSMiddleware,
                allow_origins=list(config.origins),
                allow_methods=["GET", "POST", "PATCH", "DELETE"],
                allow_headers=["authorization", "content-type", "x-api-key"],
                expose_headers=["content-disposition", "etag", "location", "retry-after"],
            )
        )
    guards.append(Middleware(Access, keys=service.keys, writable=config.writable))
    guards.append(Middleware(BodyLimit, bytes=limits.body, seconds=limits.seconds * 4, stall=limits.stall))
    return guards


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    warming = asyncio.get_running_loop().run_in_executor(None, service.warm)
    try:
        yield
    finally:
        await warming
        await asyncio.get_running_loop().run_in_executor(None, service.close)


# Errors


async def _problem(request: Request, error: ProblemError) -> Response:
    return problem_response(error.code, error.detail, error.headers, **error.more)


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    return problem_response("invalid", told(error.errors()))


async def _bare(request: Request, error: HTTPException) -> Response:
    code = code_of_status(error.status_code)
    detail = f"{request.method} {request.url.path}: {error.detail}"
    headers = {"Allow": ", ".join(_allowed(request))} if error.status_code == 405 else error.headers
    return problem_response(code, detail, headers)


def _allowed(request: Request) -> list[str]:
    """The methods that an address answers, by whichever of its routes."""
    scopes = ({**request.scope, "method": method} for method in METHODS)
    routes = request.app.router.routes
    found = [s["method"] for s in scopes if any(r.matches(s)[0] is Match.FULL for r in routes)]
    return ["HEAD", *found] if "GET" in found else found


async def _refused(request: Request, error: FindalikeError) -> Response:
    """What the library refuses. A query that fails because a picture cannot be read is told as that."""
    code = "unreadable" if isinstance(error.__cause__, ReadError) else code_of(error)
    if code == "internal":
        LOG.error("%s %s: %s", request.method, request.url.path, error)
    if code == "library-locked":
        service: Service = request.app.state.service
        who = "this server is indexing" if service.jobs.running else "another program is writing"
        return problem_response(code, f"{who}; try again when that is done")
    return problem_response(code, told_of(error))


async def _unexpected(request: Request, error: Exception) -> Response:
    LOG.exception("%s %s", request.method, request.url.path, exc_info=error)
    guarded = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
    return problem_response("internal", "something went wrong in the server; its log says more", guarded)


# The document


def _complete(app: FastAPI) -> None:
    """Put what the routes read by hand, and the ways to show a token, into the OpenAPI document."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        parts = document.setdefault("components", {})
        for model in (Problem, SearchIn):
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            parts.setdefault("schemas", {}).update(schema.pop("$defs", {}))
            parts["schemas"][model.__name__] = schema
        parts["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            "page": {"type": "apiKey", "in": "cookie", "name": "findalike"},
        }
        document["security"] = [{}, *({name: []} for name in parts["securitySchemes"])]
        return document

    app.openapi = openapi  # type: ignore[method-assign]
