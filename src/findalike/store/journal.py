"""Which assets a write has in hand, noted before its first table changes and forgotten after its last.

Tables change one after another. When a process is killed between two, the note names the only assets whose
parts may not fit together: readers leave out their rows while the asset is missing, and the next writer mends
them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from findalike.errors import LibraryError
from findalike.files import replace_file

NAME = "pending.json"


class Journal:
    def __init__(self, library: Path) -> None:
        self._path = library / NAME

    def read(self) -> set[str]:
        """The ids of assets whose parts may not fit together; nearly always none."""
        try:
            return set(json.loads(self._path.read_text("utf-8")))
        except FileNotFoundError:
            return set()
        except (OSError, ValueError) as error:
            raise LibraryError(
                f"{self._path} cannot be read ({error}); delete it, then: findalike doctor --repair"
            ) from error

    def note(self, asset_ids: Iterable[str]) -> None:
        """Replace the note. None left takes it away."""
        ids = sorted(asset_ids)
        if ids:
            replace_file(self._path, json.dumps(ids))
        else:
            self._path.unlink(missing_ok=True)
