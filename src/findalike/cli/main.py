"""The command `findalike`: its list of commands, and errors turned into sentences and exit codes."""

from __future__ import annotations

import keyword
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from findalike import __version__, plugins
from findalike.errors import FindalikeError, LibraryMismatch, LibraryMissing, UsageError

DONE, FAILED, WRONG_USAGE, SOME_FAILED, NO_LIBRARY, NOTHING_SIMILAR, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

COMMANDS = {
    "index": ("index", "Bring a library in step with folders, archives or a table of pictures."),
    "search": ("search", "Find pictures by words, by pictures that look like them, or by both."),
    "serve": ("serve", "Open the library in a browser, and to programs over HTTP."),
    "tags": ("words", "Show what a picture shows, and how strongly."),
    "facets": ("words", "Count the values of columns, and the tags."),
    "words": ("words", "Show the words near a word, and how many pictures each would find."),
    "tag": ("words", "Tag every picture with words of your own."),
    "attributes": ("attributes", "Learn a column from labelled pictures, and tell it of all others."),
    "faces": ("people", "List the faces in a picture, numbered, and whose they are."),
    "people": ("people", "Group faces into persons, and name them."),
    "forget": ("people", "Forget a person, or all faces, for good."),
    "duplicates": ("duplicates", "Find pictures that are there more than once, and clean up."),
    "frames": ("frames", "Write frames of a film as pictures."),
    "info": ("manage", "Show what a library holds."),
    "doctor": ("manage", "Check a library, and repair it on request."),
    "remove": ("manage", "Forget pictures; their files are never touched."),
    "copy": ("transfer", "Copy a library to another place, and prove that both hold the same."),
    "export": ("transfer", "Write a library as Parquet files, which other programs read too."),
    "import": ("transfer", "Fill a new library from an export."),
    "optimize": ("manage", "Compact a library and build the index that its size calls for."),
    "encoders": ("manage", "List the encoders that are installed."),
    "eval": ("evaluate", "Judge how well pictures are found, where it is known which are alike."),
    "learn-whitening": ("learn", "Learn what varies among a library's pictures, and search by that."),
    "learn-vocabulary": ("learn", "Learn visual words of a library's pictures: bags of words, and VLAD."),
    "train": ("train", "Train on your own pictures what finds them better, and prove whether it does."),
    "bench-index": ("bench", "Compare indexes on the stored vectors: recall against time."),
    "demo": ("demo", "Index real photographs, search them, and show the result."),
    "completion": ("manage", "Print the completion script of a shell."),
}
"""Each command's module and the line that `--help` shows, so that help imports none of them."""

EPILOG = """\b
Examples:
  findalike index ~/Pictures
  findalike search "a dog on the beach"
  findalike search photo.jpg
  findalike search photo.jpg "at night" --where "taken >= 2019" --sheet found.png
  findalike serve --open
  findalike tags photo.jpg
  findalike search id:3f2a90c1d4e5b677 --minus blurred.jpg --json

\b
Exit codes: 0 done; 1 failed; 2 wrong usage; 3 done, but some files failed; 4 no library there, or made by
another card or version; 5 nothing similar (with --exit-code); 130 interrupted, what was done is kept."""


class Commands(click.Group):
    """Commands that are imported when they are called: those of `table`."""

    table = COMMANDS

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in self.table:
            return None
        module, _ = self.table[name]
        attribute = name.replace("-", "_") + "_" * keyword.iskeyword(name)
        command: click.Command = getattr(plugins.on_use(f"findalike.cli.{module}"), attribute)
        return command

    def resolve_command(self, context: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(context, args)
        except click.UsageError as error:
            raise click.UsageError(f"{error.message} See {context.command_path} --help.", context) from error

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.table.items()])


@click.command(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="findalike %(version)s")
@click.option("-v", "--verbose", count=True, help="Say more on stderr; -vv says all.")
def findalike(verbose: int) -> None:
    """Find pictures: give it a folder, then words or a picture. Works offline."""
    level = (logging.ERROR, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.captureWarnings(True)  # what libraries warn of odd files is shown with -v


def main() -> None:
    """Run the command line and exit with the code of the design."""
    for stream in (sys.stdout, sys.stderr):  # names with stray bytes and narrow encodings never end a run
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if hasattr(signal, "SIGTERM"):
        signal.signal(signal.SIGTERM, _interrupt)
    code = DONE  # of a reader that closes the pipe early, as `head` does
    with _ended_well():
        code = _run()
    sys.exit(code)


def _run() -> int:
    try:
        result = findalike.main(standalone_mode=False)
        return result if isinstance(result, int) else DONE
    except SystemExit as stop:  # no command exits; click and rich do, with 1, when the pipe is closed
        if stop.code != FAILED:
            raise
        raise BrokenPipeError from None
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return WRONG_USAGE if isinstance(error, click.UsageError) else FAILED
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted. What was done is kept; the same command goes on from there.", err=True)
        return INTERRUPTED
    except FindalikeError as error:
        click.echo(f"findalike: {_printable(error)}", err=True)
        return code_of(error)
    except BrokenPipeError:
        raise
    except OSError as error:
        click.echo(f"findalike: {_printable(error)}", err=True)
        return FAILED
    except MemoryError:
        click.echo("findalike: out of memory; try again with FINDALIKE_THREADS=1", err=True)
        return FAILED


def code_of(error: FindalikeError) -> int:
    """The exit code of an error."""
    if isinstance(error, UsageError):
        return WRONG_USAGE
    return NO_LIBRARY if isinstance(error, LibraryMissing | LibraryMismatch) else FAILED


def _printable(error: Exception) -> str:
    """The message, with what a file's name could do to a terminal taken out of it."""
    printable = plugins.on_use("findalike.present.caption").printable
    return "\n".join(map(printable, str(error).split("\n")))


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def _ended_well() -> Iterator[None]:
    """A reader that closes the pipe early (`| head`) has what it wanted."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
