"""Dense tracks of films: what every eighth of a second looks like, in about a hundred bytes, and where two
films show the same. Pure."""

from findalike.tracks.alignment import Alignment, aligned
from findalike.tracks.placing import Placement, placed
from findalike.tracks.recorder import LUMA_SIDE, Recorder
from findalike.tracks.track import TRACK, Track

__all__ = ["LUMA_SIDE", "TRACK", "Alignment", "Placement", "Recorder", "Track", "aligned", "placed"]
