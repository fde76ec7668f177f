"""Measure what the int8 graph for faces needs: the least and greatest value of each of its maps.

    python training/measure_faces.py FOLDER [--pictures 3000]

FOLDER holds everyday photographs, as `captions-train` (Flickr8k) does. Writes
`src/findalike/encode/data/faces.json`: of the faces in them, and of their mirror images.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from rich.progress import track

from findalike import decode, runtime, settings
from findalike.encode import catalog
from findalike.encode.base import short_side
from findalike.encode.faces import chips, encoder, network, residual
from findalike.types import Origin, Pixels

OUT = Path(__file__).parents[1] / "src/findalike/encode/data/faces.json"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=3000)
    arguments = parser.parse_args()
    paths = sorted(path for path in arguments.folder.rglob("*") if path.suffix in (".jpg", ".webp"))
    faces = cut_out(paths[:: max(1, len(paths) // arguments.pictures)])
    found = ranges(np.concatenate([faces, faces[:, :, ::-1]]))
    OUT.write_text(json.dumps(found) + "\n", "utf-8")
    print(f"{len(faces)} faces of {len(paths)} pictures: {len(found)} maps")


def cut_out(paths: list[Path]) -> Pixels:
    finder, side = encoder.detector(settings.default()), short_side([catalog.find(catalog.FACES)])
    faces = []
    for path in track(paths, "faces", transient=True):
        pixels = decode.decode(path.read_bytes(), Origin(""), short_side=side).picture.pixels
        faces += [chips.DLIB.of(pixels, landmarks) for landmarks in finder.find(pixels).landmarks]
    return np.stack(faces)


def ranges(faces: Pixels) -> dict[str, tuple[float, float]]:
    model = onnx.load_from_string(residual.descriptor(network.read(encoder.located("descriptor"))))
    names = [name for node in model.graph.node for name in node.output if name.startswith("map.")]
    model.graph.output.extend(helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in names)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "maps.onnx"
        onnx.save(model, path)
        session = runtime.session(path)
    seen = [[], []]
    for start in track(range(0, len(faces), 16), "maps", transient=True):
        maps = session.run(names, {"pixels": faces[start : start + 16]})
        seen[0].append([float(each.min()) for each in maps])
        seen[1].append([float(each.max()) for each in maps])
    low, high = np.min(seen[0], axis=0), np.max(seen[1], axis=0)
    return {
        name: (round(float(a), 4), round(float(b), 4)) for name, a, b in zip(names, low, high, strict=True)
    }


if __name__ == "__main__":
    main()
