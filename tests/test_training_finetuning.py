"""Fine-tuning and export: what the loss counts, going on after a stop, and the folder that comes out."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from embeddings.checksums import describe_damage, read_sums
from embeddings.errors import DataError
from embeddings.model_folder import ModelFolder
from embeddings.training import finetuning, student
from embeddings.training.export import export
from embeddings.training.finetuning import Plan, fine_tune
from embeddings.training.student import Student
from embeddings.training.tasks import Batch, Tasks
from embeddings.training.vocabulary import SPECIAL
from tests.training_samples import ENGLISH, between_markers, make_teacher, sentence_pairs, silent, whole_words


@pytest.fixture(scope="module")
def teacher_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.fixture
def teacher(teacher_path: Path) -> Student:
    return Student.from_teacher(teacher_path)


class WordPairs(Tasks):
    """One small task: an English sentence to its translation, with what distillation needs."""

    def __init__(self) -> None:
        self.pairs = sentence_pairs(200, seed=8, words=3)
        self.drawn = 0

    def draw(self, chance: np.random.Generator) -> Batch:
        self.drawn += 1
        chosen = [self.pairs[number] for number in chance.permutation(len(self.pairs))[:16]]
        english, indonesian = ([pair[side] for pair in chosen] for side in (0, 1))
        return Batch("parallel", english, indonesian, [], english, english)


def make_student(teacher_path: Path) -> Student:
    """The teacher's body under the words of both languages, all rows random."""
    rows = np.random.default_rng(3).normal(0, 0.2, (len(SPECIAL) + 80, 32)).astype(np.float32)
    tokenizer = whole_words()
    tokenizer.post_processor = between_markers()
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
    losses = [float(line.split(": parallel ")[1].split()[0]) for line in said]
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


def test_rounds_of_queries_count_as_batches_of_their_own() -> None:
    passages, misses = ["beras", "kapal", "beras"], ["ikan"]
    asked = [["one", "two", "three"], ["satu", "dua", "tiga"]]
    vectors = torch.nn.functional.normalize(
        torch.randn(10, 8, generator=torch.Generator().manual_seed(4)), dim=1
    )
    both = loss_of(Batch("written", [*asked[0], *asked[1]], passages, misses), vectors)[0]
    alone = [
        loss_of(Batch("written", queries, passages, misses), torch.cat([rows, vectors[6:]]))[0]
        for queries, rows in zip(asked, (vectors[:3], vectors[3:6]), strict=True)
    ]
    assert both == pytest.approx(np.mean(alone), abs=1e-5)
    assert alone[0] != pytest.approx(alone[1], abs=1e-2)


def test_distillation_draws_both_languages_to_the_teachers_english() -> None:
    class Fixed:
        def __init__(self, *rows: tuple[float, float]) -> None:
            self.vectors = torch.tensor(rows)

        def embed(self, texts: list[str]) -> torch.Tensor:
            assert len(texts) == len(self.vectors)
            return self.vectors

    learner = Fixed((1, 0), (0, 1), (0.6, 0.8), (0, 1))
    aim = Fixed((1, 0), (1, 0))
    english = ["rice", "ship"]
    batch = Batch("parallel", english, ["beras", "kapal"], [], english, english)
    losses = [
        finetuning._loss(learner, aim, batch, Plan(distillation=weight))  # type: ignore[arg-type]
        for weight in (0.0, 5.0)
    ]
    assert set(losses[0][1]) == {"parallel"}
    assert losses[1][1] == {
        "parallel": losses[0][1]["parallel"],
        "parallel from teacher, query": pytest.approx(0.5),
        "parallel from teacher, passage": pytest.approx(0.7),
    }
    assert float(losses[1][0]) == pytest.approx(float(losses[0][0]) + 5 * 1.2)
    other = replace(batch, english_queries=[], english_passages=[])
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


def test_blending_goes_part_of_the_way(teacher_path: Path) -> None:
    learner = make_student(teacher_path)
    start = learner.weights()
    other = {name: tensor + 4.0 for name, tensor in start.items()}
    learner.blend(other, 0.25)
    for name, tensor in learner.weights().items():
        torch.testing.assert_close(tensor, start[name] + 1.0)
    learner.blend(start, 1.0)
    assert all(torch.equal(tensor, start[name]) for name, tensor in learner.weights().items())
