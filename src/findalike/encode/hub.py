"""A model's folder here, or on a hub: its files are fetched once, by name and commit, and only when a user
names the model. A library finds them again in the cache, without the network."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from findalike import plugins
from findalike.encode.folder import Folder, listed, local
from findalike.encode.reference import Reference
from findalike.errors import EncoderError, FindalikeError, UsageError

REQUIREMENT = "findalike[hub]"


def find(reference: Reference, cached_only: bool = False) -> Folder:
    """The folder that a reference names; of a hub, with `cached_only`, as far as it was fetched before.

    Raises UsageError when there is none, EncoderError when the hub cannot be reached, ExtraMissing.
    """
    if not reference.hub:
        return local(reference.path)
    return _cached(reference) if cached_only else _on_hub(reference)


def _on_hub(reference: Reference) -> Folder:
    """Asks the hub which commit a revision is and what it holds; without the hub, what was fetched before."""
    hub = plugins.on_use("huggingface_hub", REQUIREMENT)
    name, revision = reference.place, reference.revision or "main"
    try:
        info = hub.HfApi().model_info(name, revision=revision)
    except Exception as error:  # of the hub, of its HTTP client, of the socket: any of them
        try:
            return _cached(reference)
        except FindalikeError:
            raise _unreachable(reference, error) from error
    names = frozenset(each.rfilename for each in info.siblings or ())
    return Folder(f"{name}@{info.sha}", names, lambda wanted: _downloaded(reference, info.sha, wanted))


def _downloaded(reference: Reference, commit: str, wanted: Sequence[str]) -> Path:
    """Fetches files by the revision that was asked for, so that the cache keeps which commit it was."""
    hub = plugins.on_use("huggingface_hub", REQUIREMENT)
    if not sys.stderr.isatty():
        hub.utils.disable_progress_bars()
    revision = reference.revision or "main"
    try:
        paths = [Path(hub.hf_hub_download(reference.place, file, revision=revision)) for file in wanted]
    except Exception as error:  # of the hub, of its HTTP client, of the disk: any of them
        raise _unreachable(reference, error) from error
    roots = {path.parents[file.count("/")] for path, file in zip(paths, wanted, strict=True)}
    if {root.name for root in roots} != {commit}:
        raise EncoderError(
            f"{reference.place} changed on the hub while it was fetched: run the same command again"
        )
    return roots.pop()


def _cached(reference: Reference) -> Folder:
    """What was fetched before, found without the network. Raises EncoderError."""
    hub = plugins.on_use("huggingface_hub.constants", REQUIREMENT)
    kept = Path(hub.HF_HUB_CACHE) / f"models--{reference.place.replace('/', '--')}"
    revision = reference.revision or "main"
    named = kept / "refs" / revision
    path = kept / "snapshots" / (named.read_text("utf-8").strip() if named.is_file() else revision)
    if not path.is_dir():
        raise EncoderError(
            f"{reference} was not fetched to this computer; to fetch it, where there is a network: "
            f"findalike index --encoder {reference} on the folders again"
        )
    return Folder(f"{reference.place}@{path.name}", listed(path), lambda _: path)


def _unreachable(reference: Reference, error: Exception) -> FindalikeError:
    kind = type(error).__name__
    if kind in ("RepositoryNotFoundError", "RevisionNotFoundError", "GatedRepoError", "HFValidationError"):
        why = {
            "RevisionNotFoundError": f"has no revision {reference.revision}",
            "GatedRepoError": "asks for consent to its terms: accept them on its page, then hf auth login",
        }.get(kind, "is not on the hub, or is private")
        return UsageError(f"{reference.place} {why}; nor is there a folder of that name here")
    return EncoderError(
        f"{reference.place} cannot be fetched from the hub ({_reason(error)}). findalike works without it; "
        "to use this model, fetch its files on another computer, bring the folder here and name its path: "
        f"--encoder {reference.family}:FOLDER"
    )


def _reason(error: Exception) -> str:
    kind = type(error).__name__
    if kind == "OfflineModeIsEnabled" or os.environ.get("HF_HUB_OFFLINE", "").upper() in (
        "1",
        "ON",
        "YES",
        "TRUE",
    ):
        return "HF_HUB_OFFLINE is set"
    return (str(error).strip().splitlines() or [kind])[0][:200]
