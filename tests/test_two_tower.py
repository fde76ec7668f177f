"""Two towers: words and pictures in one space, folders that lack something, and a hub on this computer."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import findalike
import small_models as small
from findalike import settings
from findalike.encode import catalog, two_tower
from findalike.encode.base import encode
from findalike.errors import EncoderError, UsageError
from findalike.types import Card, Origin, Picture

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PURE = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return small.two_tower(tmp_path / "tiny-clip")


def flat(colour: tuple[int, int, int]) -> Picture:
    return Picture(np.full((40, 60, 3), colour, np.uint8), Origin(""), 60, 40)


def unit(vector: Any) -> Any:
    return vector / np.linalg.norm(vector)


# Numbers


@pytest.mark.parametrize("joint", [False, True])
def test_words_and_pictures_share_a_space(tmp_path: Path, joint: bool) -> None:
    card = catalog.find(f"clip:{small.two_tower(tmp_path / 'm', joint)}")
    assert (card.dim, card.modalities, card.licence) == (8, ("image", "text"), "mit")
    pictures = encode(catalog.load(card, settings.load()), [flat(colour) for colour in PURE.values()])
    reader = catalog.load_text(card, settings.load())
    texts = reader.encode_texts(["red", "Green", "BLUE", "red green"])
    for i in range(3):
        np.testing.assert_allclose(pictures[i], unit(small.COLOURS[i]), atol=1e-5)
        np.testing.assert_allclose(texts[i], unit(small.COLOURS[i]), atol=1e-5)
    np.testing.assert_allclose(texts[3], unit(small.COLOURS[0] + small.COLOURS[1]), atol=1e-5)


def test_texts_of_any_number_and_length(model: Path) -> None:
    reader = catalog.load_text(catalog.find(f"clip:{model}"), settings.load())
    assert reader.encode_texts([]).shape == (0, 8)
    many = reader.encode_texts([*["red"] * 40, "red " * 100, "", "unheard of"])
    assert many.shape == (43, 8)
    np.testing.assert_allclose(many[40], many[0], atol=1e-6)  # cut off at the length of the network
    assert not many[41].any()
    np.testing.assert_array_equal(reader.encode_texts(["green"]), reader.encode_texts(["green", "blue"])[:1])


def test_how_texts_are_read_is_in_the_card(model: Path) -> None:
    how = catalog.find(f"clip:{model}").preprocessing["text"]
    assert how == {"length": 6, "pad": "[PAD]", "lower": True, "output": "text_embeds", "batch": None}
    (model / "tokenizer_config.json").unlink()
    (model / "config.json").write_text('{"model_type": "siglip", "text_config": {"pad_token_id": 1}}')
    how = catalog.find(f"clip:{model}").preprocessing["text"]
    assert (how["length"], how["pad"], how["lower"]) == (64, 1, False)


def test_the_precision_chooses_the_files(model: Path) -> None:
    assert catalog.find(f"clip:{model}").precision == "float32"
    with pytest.raises(UsageError, match=r"lacks vision_model\.onnx and text_model\.onnx in int8"):
        catalog.find(f"clip:{model}", "int8")
    small.two_tower(model, suffix="_quantized")
    assert catalog.find(f"clip:{model}", "int8").space.endswith("@1-int8")
    assert catalog.find(f"clip:{model}").precision == "float32"


# Bad input


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "preprocessor_config.json",
        "tokenizer.json",
        "onnx/text_model.onnx",
        "onnx/vision_model.onnx",
    ],
)
def test_a_folder_that_lacks_a_file(model: Path, name: str) -> None:
    (model / name).unlink()
    stem = name.rpartition("/")[2]
    with pytest.raises(UsageError, match=rf"tiny-clip lacks .*{stem}.*: a two-tower model has config\.json"):
        catalog.find(f"clip:{model}")


def test_what_is_no_folder(tmp_path: Path, model: Path) -> None:
    for name, sentence in {
        tmp_path / "none": "none is not there; give the path of a model's folder, or OWNER/NAME",
        model / "config.json": "is a file, but a folder is expected",
        f"{model}?side=3": "no option is named 'side'; there are none",
    }.items():
        with pytest.raises(UsageError, match=sentence):
            catalog.find(f"clip:{name}")


@pytest.mark.parametrize("name", two_tower.CONFIGS)
def test_a_configuration_that_cannot_be_read(model: Path, name: str) -> None:
    (model / name).write_text("{")
    with pytest.raises(EncoderError, match=rf"{name.replace('.', '[.]')} cannot be read.*fetch it again"):
        catalog.find(f"clip:{model}")


def test_towers_that_do_not_belong_together(tmp_path: Path, model: Path) -> None:
    other = small.two_tower(tmp_path / "other", text_dim=5)
    with pytest.raises(
        EncoderError, match="8 numbers for a picture and 5 for a text, which cannot be compared"
    ):
        catalog.find(f"clip:{other}")
    swapped = model / "onnx/vision_model.onnx"
    text = model / "onnx/text_model.onnx"
    swapped.write_bytes(text.read_bytes())
    with pytest.raises(
        EncoderError, match=r"vision_model\.onnx has no input that can take a picture: its inputs are"
    ):
        catalog.find(f"clip:{model}")
    small.resnet(swapped)
    with pytest.raises(
        EncoderError, match=r"has no output image_embeds or .*its outputs are logits \(float32"
    ):
        catalog.find(f"clip:{model}")
    small.resnet(text)
    with pytest.raises(
        EncoderError, match=r"text_model\.onnx has no input_ids of texts × tokens: its inputs are data"
    ):
        catalog.find(f"clip:{model}")


def test_an_encoder_without_words_says_so(tmp_path: Path) -> None:
    card = catalog.find(f"onnx:{small.resnet(tmp_path / 'net.onnx')}")
    with pytest.raises(UsageError, match=rf"{card.space} sees pictures and reads no words.*clip:FOLDER"):
        catalog.load_text(card, settings.load())


def test_numbers_of_texts_that_are_not_finite(model: Path) -> None:
    card = catalog.find(f"clip:{model}")
    reader = two_tower.load_text(card, settings.load())
    wrong = Card("x", "1", 9, preprocessing=card.preprocessing)
    tower = two_tower.TextTower(wrong, reader.graph, reader.tokenizer, {})
    with pytest.raises(EncoderError, match="gave no 9 finite numbers for each text"):
        tower.encode_texts(["red"])


# In a library


def test_a_library_with_words(tmp_path: Path, model: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name, colour in PURE.items():
        Image.new("RGB", (80, 60), colour).save(pictures / f"{name}.png")
    with findalike.open(tmp_path / "library") as library:
        assert library.add(pictures, encoder=["efficientnet-lite0", f"clip:{model}"]).added == 3
        card = next(card for card in library.store.cards().values() if card.name.startswith("clip:"))
    moved = model.rename(tmp_path / "moved")
    with findalike.open(tmp_path / "library") as library:
        assert library.add(pictures, encoder=f"clip:{moved}").unchanged == 3
        card = library.store.cards()[card.space]
        assert card.source == f"clip:{moved}"
        (vector,) = catalog.load_text(card, library.settings).encode_texts(["green"])
        best = library.store.nearest(card.space, vector, 1)[0]
        assert best.asset.uri.endswith("green.png")
        assert best.similarity == pytest.approx(1, abs=1e-3)
    (moved / "tokenizer.json").write_text("{}")
    with pytest.raises(EncoderError, match=r"tokenizer\.json is not the file that clip:tiny-clip-"):
        catalog.load_text(card, settings.load())


# A hub


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of a model hub's protocol as fetching needs. It knows one model, `acme/tiny`."""

    def __init__(self, folder: Path, asked: list[str], *rest: Any) -> None:
        self.folder, self.asked = folder, asked
        super().__init__(*rest)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.asked.append(self.path)
        file = self.folder / self.path.partition("/resolve/")[2].partition("/")[2]
        if self.path.startswith("/api/models/acme/tiny/revision/main"):
            every = [p.relative_to(self.folder).as_posix() for p in self.folder.rglob("*") if p.is_file()]
            about = {"id": "acme/tiny", "sha": COMMIT, "siblings": [{"rfilename": name} for name in every]}
            self.answer(200, json.dumps(about).encode(), {"Content-Type": "application/json"})
        elif self.path.startswith("/acme/tiny/resolve/") and file.is_file():
            data = file.read_bytes()
            tag = hashlib.sha256(data).hexdigest()
            self.answer(200, data, {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT})
        else:
            self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def answer(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def hub(model: Path) -> Iterator[tuple[str, list[str]]]:
    """The address of a hub on the loopback, and the list of what it was asked."""
    (model / "weights.safetensors").write_bytes(b"not wanted")
    asked: list[str] = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Hub, model, asked)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path, cli: Any) -> Run:
    """The program with a hub's cache of its own: run(address, "index", …)."""

    def run(address: str, *words: object, **variables: str) -> subprocess.CompletedProcess[str]:
        home = {"HF_HOME": str(tmp_path / "hub"), "HF_ENDPOINT": address, "HF_HUB_DISABLE_TELEMETRY": "1"}
        done: subprocess.CompletedProcess[str] = cli(
            *words, library=tmp_path / "library", cwd=tmp_path, **home, **variables
        )
        return done

    return run


NOWHERE = "http://127.0.0.1:9"


def test_a_model_of_a_hub(tmp_path: Path, pictures: Path, hub: tuple[str, list[str]], run: Run) -> None:
    address, asked = hub
    done = run(address, "index", pictures, "--encoder", "clip:acme/tiny")
    assert done.returncode == 0, done.stderr
    assert not any("safetensors" in path for path in asked)
    assert "Fetching" not in done.stderr
    assert "%|" not in done.stderr
    card = json.loads((tmp_path / "library/findalike.json").read_text())["cards"][0]
    assert card["source"] == f"clip:acme/tiny@{COMMIT}"
    assert card["name"].startswith("clip:tiny-")
    assert card["licence"] == "mit"
    asked.clear()
    for name in ((), ("--encoder", "clip:acme/tiny"), ("--encoder", card["source"])):
        found = run(NOWHERE, "search", pictures / "coffee.jpg", "--json", *name)
        assert found.returncode == 0, found.stderr
        assert len(json.loads(found.stdout)) == 3
    other = run(address, "search", pictures / "coffee.jpg", "--encoder", "clip:acme/other")
    assert (other.returncode, asked) == (4, [])  # a search fetches nothing
    assert "not clip:acme/other; to add it, run findalike index --encoder clip:acme/other" in other.stderr
    again = run(NOWHERE, "index", pictures, "--encoder", "clip:acme/tiny")  # from what was fetched before
    assert (again.returncode, asked) == (0, []), again.stderr
    assert "4 unchanged" in again.stdout
    assert run(NOWHERE, "index", pictures, HF_HUB_OFFLINE="1").returncode == 0


def test_a_hub_that_cannot_be_reached(tmp_path: Path, pictures: Path, run: Run) -> None:
    done = run(NOWHERE, "index", pictures, "--encoder", "clip:acme/tiny")
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("findalike: acme/tiny cannot be fetched from the hub (")
    assert "findalike works without it; to use this model, fetch its files on another computer" in line
    assert line.endswith("--encoder clip:FOLDER")
    offline = run(NOWHERE, "index", pictures, "--encoder", "clip:acme/tiny", HF_HUB_OFFLINE="1")
    assert "(HF_HUB_OFFLINE is set)" in offline.stderr


def test_a_model_that_the_hub_does_not_have(pictures: Path, hub: tuple[str, list[str]], run: Run) -> None:
    done = run(hub[0], "index", pictures, "--encoder", "clip:acme/other")
    assert done.returncode == 2
    assert (
        "acme/other is not on the hub, or is private; nor is there a folder of that name here" in done.stderr
    )


def test_a_library_whose_model_was_never_fetched_here(
    tmp_path: Path, pictures: Path, hub: tuple[str, list[str]], run: Run
) -> None:
    run(hub[0], "index", pictures, "--encoder", "clip:acme/tiny")
    (tmp_path / "hub").rename(tmp_path / "elsewhere")
    hub[1].clear()
    done = run(hub[0], "search", pictures / "coffee.jpg")
    assert (done.returncode, hub[1]) == (4, [])
    assert f"clip:acme/tiny@{COMMIT} was not fetched to this computer; to fetch it" in done.stderr


def test_the_extra_is_named_where_it_is_missing(model: Path) -> None:
    script = (
        "import sys; sys.modules['huggingface_hub'] = None\n"
        "from findalike.encode import catalog\n"
        f"print(catalog.find('clip:{model}').dim)\n"
        "catalog.find('clip:acme/tiny')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "8\n"
    assert "huggingface_hub is not installed: pip install 'findalike[hub]'" in done.stderr
