"""What is refused without being opened: a pickle can run any program while it is read."""

from __future__ import annotations

from pathlib import Path

from findalike.errors import EncoderError

ENDINGS = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib", ".npy", ".npz", ".h5", ".keras")
"""Under which training programs keep networks as pickles, or in what may hold one."""

_BEGINNINGS = {
    **{bytes([0x80, protocol]): "a pickle" for protocol in range(2, 6)},
    b"PK\x03\x04": "a zip archive, as PyTorch and numpy write pickles into",
    b"\x93NUMPY": "an array of numpy, which may hold pickles",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"\x1f\x8b": "packed by gzip",
}
"""First bytes, none of which an ONNX model has: its begin with the number of a field below 26."""

EXPORT = (
    "export the network instead: findalike train writes ONNX, and torch.onnx.export(module, example, "
    "'network.onnx', external_data=False) does"
)
WHY = "findalike opens no pickle, since one can run any program while it is read"


def refuse(path: Path) -> None:
    """Raises EncoderError for a file that ends or begins like one that holds pickles. Reads eight bytes."""
    if path.suffix.lower() in ENDINGS:
        raise EncoderError(f"{path} ends in {path.suffix}, as files that hold pickles do; {WHY}; {EXPORT}")
    with path.open("rb") as file:
        head = file.read(8)
    for beginning, what in _BEGINNINGS.items():
        if head.startswith(beginning):
            raise EncoderError(f"{path} is no ONNX model but {what}; {WHY}; {EXPORT}")
