"""Which assets a write has in hand, noted before its first table changes and forgotten after its last.

Tables change one after another. When a process is killed between two, the note names the only assets whose
parts may not fit together: readers leave out their rows while the asset is missing, and the next writer mends
them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from findalike.errors import LibraryError
from findalike.sidecars import Sidecars

NAME = "pending.json"


class Journal:
    def __init__(self, sidecars: Sidecars) -> None:
        self._sidecars = sidecars

    def read(self) -> set[str]:
        """The ids of assets whose parts may not fit together; nearly always none."""
        try:
            return set(json.loads(self._sidecars.read(NAME) or "[]"))
        except (OSError, ValueError) as error:
            raise LibraryError(
                f"{self._sidecars.where(NAME)} cannot be read ({error}); delete it, then: "
                "findalike doctor --repair"
            ) from error

    def note(self, asset_ids: Iterable[str]) -> None:
        """Replace the note. None left takes it away."""
        ids = sorted(asset_ids)
        if ids:
            self._sidecars.write(NAME, json.dumps(ids))
        else:
            self._sidecars.remove(NAME)
