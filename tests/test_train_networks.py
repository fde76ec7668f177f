"""Whole networks: the same numbers as the encoder that is shipped, what learns and what does not, losses
against plain loops, and trainings of tiny pictures from the beginning to a file that an index takes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from conftest import Cli, Photo
from findalike import settings
from findalike.cli.main import findalike as program
from findalike.encode import catalog, file_card
from findalike.encode.base import encode, unit
from findalike.encode.file_card import FileCard
from findalike.errors import EncoderError, ReadError, UsageError
from findalike.evaluate.truth import Pictures
from findalike.pixels import square
from findalike.types import Asset, Origin, Picture, Pixels, Vectors

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'findalike[train]'")
pytest.importorskip("pytorch_metric_learning")

from findalike.train import (  # noqa: E402
    autoencoding,
    embedder,
    loop,
    metric,
    networks,
    pictures,
    splits,
    whole,
)
from findalike.train.augment import Augmentation  # noqa: E402
from findalike.train.autoencoder import planes_of, spoiled  # noqa: E402
from findalike.train.data import Examples  # noqa: E402
from findalike.train.deep_ranking import GAP, LEAD, WITHIN, DeepRanking, RankingLoss  # noqa: E402
from findalike.train.embedder import Embedder  # noqa: E402
from findalike.train.looks import Remembered  # noqa: E402
from findalike.train.networks import Backbone  # noqa: E402
from findalike.train.siamese import ContrastiveLoss  # noqa: E402

CPU = torch.device("cpu")
SIDE, EACH = 32, 8
KINDS = ("discs", "stripes", "halves")


def drawn(kind: str, number: int) -> Image.Image:
    """A little picture of a kind, each another: a disc, stripes, or a half, in colours of any kind."""
    random = np.random.default_rng((KINDS.index(kind), number))
    back, fore = random.integers(0, 256, (2, 3))
    y, x = np.mgrid[:48, :40]
    shapes = {
        "discs": (y - 24 - random.integers(-6, 7)) ** 2 + (x - 20) ** 2 < random.integers(60, 140),
        "stripes": (x + random.integers(0, 8)) // 4 % 2 == 0,
        "halves": y > random.integers(18, 30),
    }
    pixels = np.where(shapes[kind][..., None], fore, back) + random.normal(0, 8, (48, 40, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each kind."""
    root = tmp_path_factory.mktemp("kinds")
    for kind in KINDS:
        (root / kind).mkdir()
        for number in range(EACH):
            drawn(kind, number).save(root / kind / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def examples(folder: Path) -> Examples:
    files = sorted(folder.glob("*/*.png"), key=lambda file: hashlib.sha256(file.read_bytes()).hexdigest())
    now = datetime.now(UTC)
    assets = tuple(
        Asset(str(file), 1, now, str(n), sha256=hashlib.sha256(file.read_bytes()).hexdigest())
        for n, file in enumerate(files)
    )
    return Examples(Pictures(assets), tuple(file.parent.name for file in files), "folder")


@pytest.fixture(scope="module")
def small(examples: Examples) -> pictures.Pictures:
    """The little pictures, at the size of a little network."""
    found, _, failures = pictures.read(
        [asset.uri for asset in examples.pictures.assets], SIDE, settings.default()
    )
    assert not failures
    return found


@pytest.fixture(scope="module")
def photographs(photo: Photo) -> Pixels:
    """Real ones, as the encoder cuts them."""
    names = ("astronaut", "chelsea", "coffee", "coins")
    return np.stack([np.asarray(photo(name, (256, 256)))[16:240, 16:240] for name in names])


def material(
    examples: Examples, of: pictures.Pictures, epochs: int = 4, patience: int = 9, **options: Any
) -> whole.Material:
    split = splits.make(examples, splits.RANDOM, 0)
    plan = metric.Plan(schedule=loop.Schedule(epochs, patience), p=3, k=4, device="cpu")
    return whole.Material(examples, split, of, plan, whole.Options(**{"dim": 16, **options}))


def computed(network: Any, pixels: Pixels) -> Vectors:
    with torch.no_grad():
        found: Vectors = network(torch.from_numpy(pixels)).numpy()
    return found


# The default network


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_the_network_gives_the_numbers_of_the_encoder(name: str, photographs: Pixels) -> None:
    backbone, centre = networks.pretrained(name)
    encoder = catalog.load(catalog.find(name, "float32"), settings.default())
    for pixels in (photographs, photographs[:, :201, :173]):  # odd lengths are padded unevenly
        wanted = encoder.look(np.ascontiguousarray(pixels), ["pooled"])[0]  # type: ignore[attr-defined]
        found = computed(backbone, np.ascontiguousarray(pixels))
        assert np.abs(found - wanted).max() < 1e-4
        assert np.abs(wanted).max() > 1
    np.testing.assert_array_equal(centre, encoder.centre)  # type: ignore[attr-defined]


def test_without_a_projection_it_is_the_default_encoder(photographs: Pixels) -> None:
    network = Embedder(*networks.pretrained("efficientnet-lite0"), dim=None)
    encoder = catalog.load(catalog.find("efficientnet-lite0", "float32"), settings.default())
    shown = [Picture(each, Origin(""), 224, 224) for each in photographs]
    wanted = encode(encoder, shown)
    cuts = np.stack([square(each, 224, pictures.KEPT) for each in photographs])
    np.testing.assert_allclose(computed(network, cuts), wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("what", "learns"),
    [("head", 0), ("last", 2), ("3", 3), ("all", 9)],
)
def test_only_the_last_parts_learn(backbone: Backbone, what: str, learns: int) -> None:
    backbone.unfreeze(what)
    parts = backbone.parts()
    assert len(parts) == 9
    assert [any(each.requires_grad for each in part.parameters()) for part in parts] == (
        [False] * (9 - learns) + [True] * learns
    )
    everything = {id(each) for part in parts for each in part.parameters()}
    assert all(not each.requires_grad for each in backbone.parameters() if id(each) not in everything)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return networks.pretrained("efficientnet-lite0")[0]


def test_what_does_not_learn_can_be_computed_apart(backbone: Backbone, photographs: Pixels) -> None:
    wanted = computed(backbone, photographs[:2])
    for what in ("head", "last", "5", "all"):
        backbone.unfreeze(what)
        with torch.no_grad():
            found = backbone.rest(backbone.prefix(torch.from_numpy(photographs[:2]))).numpy()
        np.testing.assert_array_equal(found, wanted)


def test_batch_norm_stays_as_it_was_unless_it_shall_learn(photographs: Pixels) -> None:
    for norms_learn in (False, True):
        own, _ = networks.pretrained("efficientnet-lite0", norms_learn)
        own.unfreeze("last")
        before = own.tensors()
        own.train()
        own(torch.from_numpy(photographs[:, ::4, ::4].copy())).square().mean().backward()
        torch.optim.SGD([each for each in own.parameters() if each.requires_grad], lr=0.1).step()
        changed = {name for name, array in own.tensors().items() if (array != before[name]).any()}
        assert "_conv_head.weight" in changed
        assert "_blocks.15._project_conv.weight" in changed
        assert not any(name.startswith(("_conv_stem", "_bn0", "_blocks.14.", "_fc")) for name in changed)
        assert any("running" in name for name in changed) == norms_learn


@pytest.mark.parametrize("what", ["0", "10", "most", "-1"])
def test_a_part_that_is_none_is_refused(backbone: Backbone, what: str) -> None:
    with pytest.raises(UsageError, match=r"head, last, all.*1 to 9"):
        backbone.unfreeze(what)


def test_another_encoder_is_no_network_to_train() -> None:
    with pytest.raises(
        UsageError, match=r"'gist' cannot be trained .*efficientnet-lite0, efficientnet-lite2"
    ):
        networks.pretrained("gist")


def test_weights_of_another_network_do_not_fit() -> None:
    tensors = {name: array for name, array in networks.pretrained("efficientnet-lite0")[0].tensors().items()
               if "running_mean" not in name}  # fmt: skip
    with pytest.raises(ValueError, match="do not fit"):
        Backbone(tensors)


# The projection


def test_a_projection_begins_with_the_principal_axes(backbone: Backbone) -> None:
    random = np.random.default_rng(0)
    features = (random.normal(size=(40, 5)) @ random.normal(size=(5, 1280))).astype(np.float32)
    network = Embedder(backbone, np.zeros(1280, np.float32), dim=12)
    network.begin(features, seed=0)
    axes = network.projection.weight.detach().numpy()
    np.testing.assert_allclose(axes @ axes.T, np.eye(12), atol=1e-5)
    centred = features - features.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(np.sum(axes[:5] * directions[:5], axis=1)), 1, atol=1e-3)


def test_a_projection_of_pictures_that_do_not_differ_is_drawn_at_random() -> None:
    for features in (np.ones((4, 6), np.float32), np.zeros((0, 6), np.float32)):
        axes = embedder.orthonormal(embedder.principal(features, 3), 3, seed=1)
        np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-5)
    wide = embedder.orthonormal(np.zeros((6, 0), np.float32), 9, seed=1)
    np.testing.assert_allclose(wide @ wide.T, np.eye(6), atol=1e-5)


# Pictures


def test_pictures_are_upright_and_bad_files_are_left_out(tmp_path: Path, photo: Photo) -> None:
    upright = photo("chelsea", (90, 60))
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a.png", exif=exif)
    upright.save(tmp_path / "b.png")
    upright.convert("P").save(tmp_path / "c.png")
    upright.convert("LA").save(tmp_path / "d.png")
    (tmp_path / "e.png").write_bytes((tmp_path / "b.png").read_bytes()[:900])
    (tmp_path / "f.txt").write_text("no picture")
    uris = [str(tmp_path / name) for name in ("a.png", "b.png", "c.png", "d.png", "e.png", "f.txt", "g.png")]
    found, places, failures = pictures.read(uris, SIDE, settings.default())
    assert places.tolist() == [0, 1, 2, 3]
    assert [Path(failure.uri).name for failure in failures] == ["e.png", "f.txt", "g.png"]
    assert found.plain(np.arange(4)).shape == (4, SIDE, SIDE, 3)
    np.testing.assert_array_equal(found.whole(0), found.whole(1))
    assert found.whole(0).shape == (
        37,
        56,
        3,
    )  # 32 of 37 are the central cut; the middle 1.5 of the long side
    grey = found.whole(3).astype(int)
    assert np.ptp(grey, axis=2).max() == 0


def test_what_does_not_fit_into_memory_is_decoded_again(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "one.png"
    file.write_bytes((folder / "discs" / "0.png").read_bytes())
    uris = [str(folder / "discs" / "1.png"), str(file)]
    kept, _, _ = pictures.read(uris, SIDE, settings.default())
    bounded, places, _ = pictures.read(uris, SIDE, settings.default(), most_bytes=kept.whole(0).nbytes)
    assert (sorted(bounded.kept), places.tolist()) == ([0], [0, 1])
    np.testing.assert_array_equal(bounded.plain(places), kept.plain(places))
    file.unlink()
    with pytest.raises(ReadError, match=r"one\.png.*gone"):
        bounded.whole(1)


def test_views_follow_from_their_seeds_alone(small: pictures.Pictures) -> None:
    places, seeds = np.arange(6), np.arange(10, 16)
    first = small.varied(places, Augmentation(), seeds)
    assert first.shape == (6, SIDE, SIDE, 3)
    np.testing.assert_array_equal(small.varied(places[::-1], Augmentation(), seeds[::-1]), first[::-1])
    assert (small.varied(places, Augmentation(), seeds + 1) != first).any(axis=(1, 2, 3)).all()


def test_a_view_that_changes_nothing_is_the_whole_picture() -> None:
    pixels = np.asarray(drawn("discs", 0))[:40]
    still = Augmentation(least=1, stretch=1, flip=False, light=0, blur=0)
    np.testing.assert_array_equal(still.of(pixels, 40, np.random.default_rng(0)), pixels)
    turned = replace(still, flip=True)
    views = [turned.of(pixels, 40, np.random.default_rng(seed)) for seed in range(12)]
    assert {(view == pixels).all() for view in views} == {True, False}
    assert all((view == pixels).all() or (view == pixels[:, ::-1]).all() for view in views)


def test_a_view_of_a_picture_of_one_row_is_a_view() -> None:
    for shape in ((1, 300, 3), (300, 1, 3), (1, 1, 3)):
        view = Augmentation().of(np.full(shape, 200, np.uint8), SIDE, np.random.default_rng(3))
        assert view.shape == (SIDE, SIDE, 3)
        assert len(np.unique(view.reshape(-1, 3), axis=0)) == 1


def test_what_is_kept_of_a_view_is_what_would_be_computed(
    small: pictures.Pictures, backbone: Backbone
) -> None:
    backbone.unfreeze("head")
    looks = Remembered(small, Augmentation(), backbone, CPU, seed=3, needs_pixels=True)
    places = np.array([4, 1, 4, 7])
    first = looks(places, np.random.default_rng(0))
    with torch.no_grad():
        np.testing.assert_allclose(first.prefix, backbone.prefix(first.pixels), atol=1e-5)
    again = Remembered(small, Augmentation(), backbone, CPU, seed=3)
    plain = again(places, None)
    second = again(places, np.random.default_rng(0))
    np.testing.assert_allclose(second.prefix, first.prefix, atol=1e-5)
    np.testing.assert_allclose(plain.prefix, computed(backbone, small.plain(places)), atol=1e-5)


# Losses


def test_the_ranking_loss_is_that_of_a_plain_loop() -> None:
    random = np.random.default_rng(5)
    codes, golden = random.integers(0, 3, 20), unit(random.normal(size=(20, 4)).astype(np.float32))
    places = random.permutation(20)[:12]
    vectors = unit(random.normal(size=(12, 6)).astype(np.float32))
    out, within = [], []
    for i, a in enumerate(places):
        for j, b in enumerate(places):
            for k, c in enumerate(places):
                if i == j or codes[a] != codes[b] or k in (i, j):
                    continue
                short = GAP + np.sum((vectors[i] - vectors[j]) ** 2) - np.sum((vectors[i] - vectors[k]) ** 2)
                if codes[c] != codes[a]:
                    out.append(short)
                elif golden[a] @ golden[b] - golden[a] @ golden[c] >= LEAD:
                    within.append(short)
    wanted = sum(share * np.mean([s for s in several if s > 0])
                 for share, several in ((1 - WITHIN, out), (WITHIN, within)))  # fmt: skip
    found = RankingLoss(codes, golden)(torch.from_numpy(vectors), places)
    assert len(within) > 20
    assert float(found) == pytest.approx(wanted, rel=1e-4)


def test_the_contrastive_loss_is_that_of_a_plain_loop() -> None:
    random = np.random.default_rng(6)
    codes = random.integers(0, 3, 15)
    places = random.permutation(15)[:9]
    vectors = unit(random.normal(size=(9, 4)).astype(np.float32))
    like, unlike = [], []
    for i in range(9):
        for j in range(i):
            d = np.linalg.norm(vectors[i] - vectors[j])
            if codes[places[i]] == codes[places[j]]:
                like.append(d**2 / 2)
            else:
                unlike.append(max(0, 1 - d) ** 2 / 2)
    wanted = np.mean(like) + np.mean(unlike)
    assert float(ContrastiveLoss(codes)(torch.from_numpy(vectors), places)) == pytest.approx(wanted, rel=1e-4)


def test_batches_without_a_triplet_or_a_pair_cost_nothing_and_break_nothing() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(3, 4), dim=1).requires_grad_()
    alone, golden = np.arange(3), np.eye(3, dtype=np.float32)
    loss = RankingLoss(alone, golden)(vectors, alone) + ContrastiveLoss(np.zeros(3, np.int64))(vectors, alone)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(vectors.grad).all()


# Networks that are trained


def trained_file(
    kind: str, task: whole.Whole, graph: whole.Graph, of: whole.Material, path: Path
) -> tuple[Vectors, Vectors]:
    """The vectors of all pictures by the file, as an index makes them, and by the network."""
    places = np.arange(len(of.examples))
    card = FileCard(file_card.NETWORK, path.stem, of.options.dim, recipe=whole.recipe(of.pictures),
                    licence=whole.licence(kind, of.options))  # fmt: skip
    file_card.write(path, card, graph())
    encoder = catalog.load(catalog.find(f"file:{path}"), settings.default())
    shown = [Picture(of.pictures.whole(int(place)), Origin(""), 1, 1) for place in places]
    return encode(encoder, shown), task.embedded(places)


@pytest.mark.parametrize("kind", [whole.FINE_TUNED, whole.CLASSIFIER, whole.DEEP_RANKING])
def test_a_pretrained_network_learns_and_is_written(
    kind: str, examples: Examples, small: pictures.Pictures, tmp_path: Path
) -> None:
    of = material(examples, small, epochs=2)
    task, graph = whole.task(kind, of)
    frozen = {name: array for name, array in task.network.backbone.tensors().items() if "_blocks.3" in name}
    fit = loop.fit(task, of.plan.schedule)
    assert fit.ended == loop.FINISHED
    assert np.isfinite(fit.losses).all()
    assert all((task.network.backbone.tensors()[name] == array).all() for name, array in frozen.items())
    by_file, by_network = trained_file(kind, task, graph, of, tmp_path / "net.onnx")
    np.testing.assert_allclose(by_file, by_network, atol=1e-4)


def test_deep_ranking_begins_as_its_deep_branch(examples: Examples, small: pictures.Pictures) -> None:
    of = material(examples, small)
    network = whole.task(whole.DEEP_RANKING, of)[0].network
    assert isinstance(network, DeepRanking)
    pixels = small.plain(np.arange(5))
    with torch.no_grad():
        features = network.features(torch.from_numpy(pixels)).numpy()
    axes = network.projection.weight.detach().numpy()
    assert not axes[:, 1280:].any()
    np.testing.assert_allclose(computed(network, pixels), unit(features @ axes[:, :1280].T), atol=1e-4)
    assert [branch.shrink for branch in network.shallow] == [4, 8]


def test_twins_learn_from_nothing_whatever_the_colours(
    examples: Examples, small: pictures.Pictures, tmp_path: Path
) -> None:
    of = material(examples, small, epochs=25, patience=25, augmentation=Augmentation(blur=0))
    task, graph = whole.task(whole.SIAMESE, of)
    fit = loop.fit(task, of.plan.schedule)
    assert fit.best > fit.values[0] + 0.1
    judge = metric.judge(examples, of.split, splits.TRAIN, of.plan)
    learned = of.split.places(splits.TRAIN)
    untrained = whole.task(whole.SIAMESE, of)[0].embedded(learned)
    assert judge.of(task.embedded(learned)).map > judge.of(untrained).map + 0.25
    by_file, by_network = trained_file(whole.SIAMESE, task, graph, of, tmp_path / "twins.onnx")
    np.testing.assert_allclose(by_file, by_network, atol=1e-4)


class Counted:
    """Interrupts after an epoch."""

    def __init__(self, after: int) -> None:
        self.after = after

    def __call__(self, tick: loop.Tick) -> None:
        if tick.epoch == self.after:
            raise KeyboardInterrupt


def test_an_interrupted_run_goes_on_to_the_same_end(
    examples: Examples, small: pictures.Pictures, tmp_path: Path
) -> None:
    """Of a network with augmentation, batch norm and moments of its own."""
    of = material(examples, small, epochs=4)
    unbroken = whole.task(whole.SIAMESE, of)[0]
    wanted = loop.fit(unbroken, of.plan.schedule)
    kept = tmp_path / "run.npz"
    first = loop.fit(whole.task(whole.SIAMESE, of)[0], of.plan.schedule, kept, watch=Counted(3))
    assert first.ended == loop.INTERRUPTED
    assert len(first.losses) == 3
    second = whole.task(whole.SIAMESE, of)[0]
    found = loop.fit(second, of.plan.schedule, kept, resume=True)
    np.testing.assert_allclose(found.losses, wanted.losses, rtol=1e-4)
    assert found.ended == loop.FINISHED
    places = np.arange(len(examples))
    np.testing.assert_allclose(second.embedded(places), unbroken.embedded(places), atol=1e-3)


def test_a_loss_that_is_no_number_ends_the_run_with_the_last_good_weights(
    examples: Examples, small: pictures.Pictures
) -> None:
    of = material(examples, small, rate=1e30)
    task, _ = whole.task(whole.SIAMESE, of)
    before = {name: tensor.clone() for name, tensor in task.model.state_dict().items()}
    fit = loop.fit(task, of.plan.schedule)
    assert fit.ended == loop.NOT_A_NUMBER
    assert all(torch.isfinite(tensor).all() for tensor in task.model.state_dict().values())
    if fit.best_epoch == 0:
        assert all((tensor == before[name]).all() for name, tensor in task.model.state_dict().items())


def test_what_gets_no_better_ends_early(examples: Examples, small: pictures.Pictures) -> None:
    of = material(examples, small, epochs=30, patience=2, rate=1e-12)
    fit = loop.fit(whole.task(whole.SIAMESE, of)[0], of.plan.schedule)
    assert fit.ended == loop.PATIENCE
    assert len(fit.losses) < 30


def test_no_disk_leaves_what_was_there(examples: Examples, small: pictures.Pictures, tmp_path: Path) -> None:
    of = material(examples, small, epochs=1)
    _, graph = whole.task(whole.SIAMESE, of)
    card = FileCard(file_card.NETWORK, "gone", 16, recipe=whole.recipe(small))
    with pytest.raises(UsageError, match="cannot be written"):
        file_card.write(tmp_path / "no such folder" / "gone.onnx", card, graph())
    with pytest.raises(EncoderError, match="16"):
        file_card.write(tmp_path / "wide.onnx", replace(card, dim=17), graph())
    assert not list(tmp_path.iterdir())


# The autoencoder


def test_an_autoencoder_draws_better_than_the_mean_picture(
    examples: Examples, small: pictures.Pictures, tmp_path: Path
) -> None:
    bare = replace(examples, labels=("",) * len(examples))
    split = splits.make(examples, splits.RANDOM, 0)
    plan = metric.Plan(schedule=loop.Schedule(40, 40), device="cpu")
    of = whole.Material(bare, split, small, plan, whole.Options(dim=24, augmentation=None))
    task, graph = autoencoding.task(of)
    outcome = autoencoding.train(task, np.zeros((len(bare), 4), np.float32))
    (comparison,) = outcome.comparisons
    assert comparison.metric == autoencoding.LIKENESS
    assert comparison.after > comparison.before + 1
    by_file, by_network = trained_file(whole.AUTOENCODER, task, graph, of, tmp_path / "codes.onnx")
    np.testing.assert_allclose(by_file, by_network, atol=1e-4)
    (tmp_path / "drawn.png").write_bytes(autoencoding.drawings(task))
    with Image.open(tmp_path / "drawn.png") as image:
        assert image.size == (SIDE * min(autoencoding.SHOWN, len(split.places(splits.TEST))), SIDE * 3)


def test_likeness_is_that_of_numpy(examples: Examples, small: pictures.Pictures) -> None:
    task, _ = autoencoding.task(material(examples, small))
    places = np.arange(4)
    task.network.eval()
    planes = planes_of(torch.from_numpy(small.plain(places)))
    with torch.no_grad():
        errors = np.square(task.network.drawn(planes).numpy() - planes.numpy()).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(task.likeness(places), -10 * np.log10(errors), rtol=1e-4)
    learned = small.plain(task.split.places(splits.TRAIN)).astype(np.float64) / 255
    errors = np.square(small.plain(places) / 255 - learned.mean(axis=0)).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(task.of_mean(places), -10 * np.log10(errors), rtol=1e-4)


def test_spoiling_blackens_a_quarter_and_adds_noise() -> None:
    torch.manual_seed(0)
    seen = spoiled(torch.full((8, 3, 64, 64), 0.2))
    black = (seen == -0.5).all(dim=1)
    assert float(black.float().mean()) == pytest.approx(0.25, abs=0.02)
    assert float(seen[~black[:, None].expand_as(seen)].std()) == pytest.approx(0.1, abs=0.01)


# From the command line


@pytest.fixture(scope="module")
def library(folder: Path, tmp_path_factory: pytest.TempPathFactory, cli: Cli) -> Path:
    path = tmp_path_factory.mktemp("networks") / "library"
    assert cli("index", folder, library=path).returncode == 0
    return path


def test_twins_from_the_command_line_to_a_search(library: Path, tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "twins.onnx"
    options = ("--recipe", "siamese", "--split", "random", "--epochs", 2, "--side", 32, "--dim", 16)
    run = cli("train", "metric", *options, "--out", out, library=library)
    assert run.returncode == 0, run.stderr
    assert "mAP" in run.stdout
    assert "12 pictures to learn from" in run.stderr
    card = json.loads(out.with_suffix(".json").read_text())
    assert (card["kind"], card["dim"], card["recipe"]["side"]) == ("network", 16, 32)
    assert card["trained"]["network"]["begun"] == "from nothing"
    assert card["trained"]["loss"] == "contrastive, by all pairs"
    encoder = catalog.load(catalog.find(f"file:{out}"), settings.default())
    assert encoder.card.dim == 16
    assert out.with_suffix(".png").is_file()
    assert not list(tmp_path.glob("*checkpoint*"))


def test_an_autoencoder_from_the_command_line(library: Path, tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "codes.onnx"
    run = cli("train", "autoencoder", "--epochs", 1, "--side", 32, "--dim", 8, "--out", out, library=library)
    assert run.returncode == 0, run.stderr
    assert "mAP" in run.stdout
    assert autoencoding.LIKENESS in run.stdout
    with Image.open(tmp_path / "codes.drawn.png") as image:
        assert image.height == 96
    assert json.loads(out.with_suffix(".json").read_text())["trained"]["loss"] == "mean squared error"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("metric", "--side", "64"), "give --unfreeze or --recipe"),
        (("metric", "--recipe", "siamese", "--loss", "arcface"), "has its own loss"),
        (("metric", "--recipe", "deep-ranking", "--across", "kind"), "has its own loss"),
        (("autoencoder", "--side", "40"), "multiple of 16"),
    ],
)
def test_what_does_not_go_together_is_refused(options: tuple[str, ...], says: str, tmp_path: Path) -> None:
    run = CliRunner().invoke(program, ["train", *options, "--out", str(tmp_path / "out.onnx")])
    assert (run.exit_code, says in run.output) == (2, True), run.output
    assert not list(tmp_path.iterdir())
