"""Measure on photographs what an encoder of the EfficientNet-Lite family needs beside its weights.

    python training/measure_encoder.py efficientnet-lite0 FOLDER

writes `src/findalike/encode/data/NAME.json`: the least and greatest value of each layer (for the int8 graph)
and the mean of the pooled features (for centring). The shipped files were measured on the 7,491 pictures of
`captions-train` (Flickr8k), ranges on every 25th of them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from rich.progress import track

from findalike import checkpoint, decode, pixels, runtime
from findalike.encode import catalog, efficientnet
from findalike.types import Origin

EVERY = 25
BATCH = 8
OUT = Path(__file__).parents[1] / "src/findalike/encode/data"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("encoder")
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    card = catalog.find(arguments.encoder, "float32")
    weights = runtime.locate(card.preprocessing["package"], "models/*.pth")
    runtime.verify(weights, card.sha256)
    tensors = checkpoint.read(weights)
    model = efficientnet.float_model(tensors)
    names = efficientnet.ranged_tensors(tensors)
    for name in names:
        if name != "features":
            model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

    files = sorted(path for path in arguments.folder.rglob("*") if decode.looks_like_picture(path.name))
    side, fraction = card.preprocessing["side"], card.preprocessing["crop"]

    def batch(paths: list[Path]) -> np.ndarray:
        decoded = [
            decode.decode(path.read_bytes(), Origin(""), short_side=round(side / fraction)) for path in paths
        ]
        return np.stack([pixels.square(d.picture.pixels, side, fraction) for d in decoded])

    def batches(paths: list[Path]) -> list[list[Path]]:
        return [paths[i : i + BATCH] for i in range(0, len(paths), BATCH)]

    low, high = dict.fromkeys(names, np.inf), dict.fromkeys(names, -np.inf)
    for paths in track(batches(files[::EVERY]), "ranges"):
        for name, values in zip(names, session.run(names, {"pixels": batch(paths)}), strict=True):
            low[name], high[name] = min(low[name], values.min()), max(high[name], values.max())
    total = np.zeros(card.dim)
    for paths in track(batches(files), "mean"):
        total += session.run(["pooled"], {"pixels": batch(paths)})[0].sum(axis=0, dtype=np.float64)

    content = {
        "measured_on": f"{len(files)} photographs of {arguments.folder.name}",
        "ranges": {name: [round(float(low[name]), 5), round(float(high[name]), 5)] for name in names},
        "mean": [round(float(value), 5) for value in total / len(files)],
    }
    OUT.mkdir(exist_ok=True)
    path = OUT / f"{card.name}.json"
    path.write_text(json.dumps(content, separators=(",", ":")) + "\n", "utf-8")
    print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
