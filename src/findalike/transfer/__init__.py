"""Libraries that move: to another store, to files that others read, and back."""

from findalike.transfer.moving import Copied, Watch, copy, export, import_
from findalike.transfer.proof import Answers, Part, Proof

__all__ = ["Answers", "Copied", "Part", "Proof", "Watch", "copy", "export", "import_"]
