"""`findalike serve`."""

from __future__ import annotations

import os
from pathlib import Path

import click

import findalike
from findalike import addresses, plugins
from findalike.cli.main import DONE
from findalike.cli.options import library_option, number, say
from findalike.errors import UsageError

WRITE_TOKEN, READ_TOKEN = "FINDALIKE_TOKEN", "FINDALIKE_READ_TOKEN"


@click.command(
    epilog="""\b
Examples:
  findalike serve --open
  findalike serve --allow ~/Pictures --port 9000
  FINDALIKE_TOKEN=... findalike serve --host 0.0.0.0 --read-only
  curl 'http://127.0.0.1:8000/v1/search?text=red+car'

\b
Tokens: FINDALIKE_TOKEN may read and write, FINDALIKE_READ_TOKEN only read. On another address than this
machine's own one of them is needed; clients send it as Authorization: Bearer TOKEN or x-api-key: TOKEN."""
)
@library_option
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="The port; 0 takes a free one.",
)
@click.option("--open", "opened", is_flag=True, help="Open the page in a browser.")
@click.option("--allow", multiple=True, metavar="DIR", help="A folder that may be indexed from the page.")
@click.option("--uploads", metavar="DIR", help="Where uploaded pictures go. Else beside the library.")
@click.option("--no-uploads", is_flag=True, help="Take no uploads.")
@click.option("--read-only", is_flag=True, help="Change nothing: no labels, uploads, jobs or removals.")
@click.option(
    "--allow-urls", is_flag=True, help="Fetch pictures that queries name by URL, from public hosts."
)
@click.option("--allow-private-urls", is_flag=True, help="Fetch them from this network too.")
@click.option("--allow-host", multiple=True, metavar="NAME", help="Another name this server is called by.")
@click.option("--cors", multiple=True, metavar="ORIGIN", help="A site whose pages may call this server.")
@click.option("--mirror", is_flag=True, help="Keep the vectors in memory and search them exactly.")
@click.option("--max-body", type=click.IntRange(1), metavar="MIB", help="The largest request. Else 64 MiB.")
@click.option("--max-seconds", type=click.FloatRange(0.1), metavar="S", help="The longest search. Else 30 s.")
def serve(
    library: str | None,
    host: str,
    port: int,
    opened: bool,
    allow: tuple[str, ...],
    uploads: str | None,
    no_uploads: bool,
    read_only: bool,
    allow_urls: bool,
    allow_private_urls: bool,
    allow_host: tuple[str, ...],
    cors: tuple[str, ...],
    mirror: bool,
    max_body: int | None,
    max_seconds: float | None,
) -> int:
    """Open the library in a browser, and to programs over HTTP. The API is described at /v1/openapi.json."""
    if uploads and no_uploads:
        raise UsageError("--uploads and --no-uploads exclude each other; give one of them")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy, not yet loaded: searches are threads already
    config = plugins.on_use("findalike.web.config")
    limits = config.Limits(
        **({"body": max_body * 2**20} if max_body else {}),
        **({"seconds": max_seconds} if max_seconds else {}),
    )
    with findalike.open(library, "r" if read_only else "a") as it:
        folder = None if no_uploads or read_only else Path(uploads or _beside(it.path))
        wanted = config.Config(
            host=host,
            port=port,
            folders=tuple(Path(os.path.expanduser(each)).absolute() for each in allow),  # noqa: PTH111
            uploads=folder and folder.expanduser().absolute(),
            tokens=_tokens(),
            hosts=allow_host,
            origins=cors,
            urls=allow_urls or allow_private_urls,
            private_urls=allow_private_urls,
            writable=not read_only,
            mirror=mirror,
            limits=limits,
        )
        server = plugins.on_use("findalike.web.server")

        def started(address: str) -> None:
            say(f"{it.path} with {number(len(it), 'picture')} is at {address}  (ctrl-C stops)")
            if opened:
                server.open_page(address)

        try:
            server.serve(it, wanted, started)
        except KeyboardInterrupt:  # ctrl-C is how a server is stopped
            say("Stopped.")
    return DONE


def _beside(library: str) -> str:
    """Where uploaded pictures go: on this machine, also of a library elsewhere."""
    return str(addresses.workroom(library) / "uploads") if addresses.scheme(library) else f"{library}-uploads"


def _tokens() -> dict[str, str]:
    given = {os.environ.get(READ_TOKEN, ""): "read", os.environ.get(WRITE_TOKEN, ""): "write"}
    return {token: scope for token, scope in given.items() if token}
