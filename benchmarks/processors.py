"""Whether int8 vectors come out the same on this processor as on another.

    python benchmarks/processors.py --write vectors.npz
    qemu-x86_64 -cpu Haswell "$(readlink -f "$(which python)")" benchmarks/processors.py --compare vectors.npz

The second line runs on an emulated processor without VNNI (Debian's package qemu-user); on a real one leave
the emulator out. Prints whether the fast kernels saturate there, and how far the vectors are apart with the
fast kernels, with the exact ones, and as findalike chooses.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from findalike import runtime, settings
from findalike.encode import catalog, efficientnet
from findalike.encode.cnn import Statistics

CARD = catalog.find("efficientnet-lite0", "int8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", type=Path)
    parser.add_argument("--compare", type=Path)
    arguments = parser.parse_args()
    folder = settings.default().cache / "models"
    graph = runtime.cached(folder, "processors.onnx", build)
    saturates = runtime.saturates(folder)
    print(f"the fast int8 kernels saturate here: {saturates}")
    found = {name: pooled(graph, exact) for name, exact in (("fast", False), ("exact", True))}
    found["chosen"] = found["exact" if saturates else "fast"]
    if arguments.write:
        np.savez(arguments.write, **found)
    if arguments.compare:
        reference = np.load(arguments.compare)["chosen"]
        for name, vectors in found.items():
            cosines = (
                (vectors * reference).sum(1)
                / np.linalg.norm(vectors, axis=1)
                / np.linalg.norm(reference, axis=1)
            )
            equal = "bit for bit equal" if np.array_equal(vectors, reference) else "not equal"
            print(f"{name:7} least cosine {cosines.min():.6f}, {equal}")


def build() -> bytes:
    weights = runtime.locate(CARD.preprocessing["package"], "models/*.pth")
    return efficientnet.build(weights, Statistics(CARD.name).ranges)


def pooled(graph: Path, exact: bool) -> np.ndarray:
    """Of eight smooth random pictures, shape (8, 1280)."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (8, 14, 14, 3), np.uint8)
    pictures = coarse.repeat(16, axis=1).repeat(16, axis=2)
    vectors: np.ndarray = runtime.session(graph, exact).run(["pooled"], {"pixels": pictures})[0]
    return vectors


if __name__ == "__main__":
    main()
