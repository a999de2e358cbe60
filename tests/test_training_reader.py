"""The recipe of the reader: rows and their answers, near misses, training that goes on, a folder that reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from embeddings.errors import DataError
from embeddings.training.data import detokenise, normalised, read_rows
from embeddings.training.export import export as export_encoder
from embeddings.training.student import Student
from embeddings.training.written import name_of
from qa.spans import (
    IN_PASSAGE,
    IN_QUESTION,
    SHARED_IN_PASSAGE,
    SHARED_IN_QUESTION,
    Passage,
    SpanModel,
    allowed_spans,
    run_network,
)
from qa.training import bench, reader, rows
from qa.training.bench import Judged
from qa.training.reader import (
    SEGMENTS_OF_BODY,
    Plan,
    Recipe,
    backward,
    begin,
    main,
    places_of,
    window_of,
)
from qa.training.rows import Row, Sampler, development_rows, training_rows, written_rows
from tests.training_samples import (
    INDONESIAN,
    TEACHER_TOKENS,
    between_markers,
    make_teacher,
    read_tables_of,
    silent,
    word_pieces,
    write_tables,
    write_training_data,
)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tables(write_training_data(tmp_path_factory.mktemp("data")))


@pytest.fixture
def data(tables: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    read_tables_of(tables, monkeypatch)
    monkeypatch.setattr(rows, "ANSWERS", tables / "answers.tsv")
    monkeypatch.setattr(rows, "SPANS", tables / "spans.tsv")
    paragraph = detokenise(read_rows(tables, "news/indosum")[1]["paragraphs"][0])
    words = [word for word in paragraph.split() if word in INDONESIAN]
    lines = [
        (name_of(paragraph), "What first ?", "Apa pertama ?", words[0]),
        (name_of(paragraph), "Who ?", "Siapa ?", "-"),
    ]
    (tables / "spans.tsv").write_text("".join("\t".join(line) + "\n" for line in lines), "utf-8")
    return tables


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    teacher = make_teacher(folder / "teacher")
    tokenizer = word_pieces([*TEACHER_TOKENS, *INDONESIAN])
    tokenizer.post_processor = between_markers()
    weights = np.random.default_rng(2).normal(0, 0.2, (len(TEACHER_TOKENS) + len(INDONESIAN), 32))
    student = Student.from_teacher(teacher, tokenizer, weights.astype(np.float32))
    export_encoder(student, tokenizer, folder / "model")
    return folder / "model"


def spread(found: list[Row]) -> set[tuple[str, str]]:
    return {(row.question, row.passage.text) for row in found}


def test_every_answer_is_a_span_of_its_passage(data: Path) -> None:
    sets = training_rows(data)
    assert set(sets) == set(rows.WEIGHTS)
    for name, found in sets.items():
        assert found, name
        for row in found:
            assert all(text and text in row.passage.text for text in row.texts)
    assert {row.texts[0] for row in sets["facqa"]} == {str(6_000 + row) for row in range(12)}
    # Each of both questions with each of both passages.
    assert len(sets["squad_en_id"]) == 4 * 12
    assert {row.language for row in sets["squad_en_id"]} == {"en", "id"}


def test_no_row_shares_a_text_with_a_development_set(data: Path) -> None:
    held = {
        normalised(text)
        for found in development_rows(data).values()
        for row in found
        for text in (row.question, row.passage.text)
    }
    for found in training_rows(data).values():
        assert held.isdisjoint(normalised(text) for pair in spread(found) for text in pair)


def test_written_questions_are_in_both_languages_and_some_have_no_answer(data: Path) -> None:
    both = [*written_rows(data, development=False), *written_rows(data, development=True)]
    asked = {row.question: row for row in both}
    assert set(asked) == {
        "What is there ?", "Apa di situ ?", "Why ?", "Mengapa ?",
        "What first ?", "Apa pertama ?", "Who ?", "Siapa ?",
    }  # fmt: skip
    assert asked["Apa pertama ?"].texts == asked["What first ?"].texts
    assert asked["Siapa ?"].answers == ()
    english = [row.question for row in both[::2]]
    assert set(english) == {"What is there ?", "Why ?", "What first ?", "Who ?"}


@pytest.mark.parametrize(
    ("text", "answer", "places"),
    [
        ("Ani bertemu Anita dan Ani.", "Ani", [(0, 3), (22, 25)]),
        ("harga 12 dan 120", "12", [(6, 8)]),
        ("(Solo), Solo", "(Solo)", [(0, 6)]),
        ("kosong", "lain", []),
    ],
)
def test_an_answer_is_found_wherever_it_stands_as_words(
    text: str, answer: str, places: list[tuple[int, int]]
) -> None:
    assert list(rows._everywhere(text, answer)) == places


def test_the_sampler_swaps_some_passages_for_misses_and_drops_some_titles() -> None:
    row = Row("apa ?", Passage("satu dua", "Judul"), ((0, 4),), "id")
    unanswerable = Row("siapa ?", Passage("tiga", "Judul"), (), "id")
    miss = Passage("empat lima", "Lain")
    sampler = Sampler(
        {"facqa": [row], "idk_mrc": [unanswerable], "written": []},
        {row.key: [miss], unanswerable.key: [miss]},
    )
    drawn = sampler.draw(2_000, np.random.default_rng(0))
    asked = [one for one in drawn if one.question == "apa ?"]
    swapped = [one for one in asked if one.passage.text == miss.text]
    assert len(swapped) / len(asked) == pytest.approx(rows.MISS_SHARE, abs=0.06)
    assert all(one.answers == () for one in swapped)
    assert all(one.answers == row.answers for one in asked if one.passage.text == row.passage.text)
    assert {one.passage.text for one in drawn if one.question == "siapa ?"} == {"tiga"}
    untitled = [one for one in drawn if not one.passage.title]
    assert len(untitled) / len(drawn) == pytest.approx(rows.UNTITLED_SHARE, abs=0.06)


def test_an_answer_becomes_the_tokens_that_cover_it(encoder: Path) -> None:
    model = SpanModel(begin(encoder), Tokenizer.from_file(str(encoder / "tokenizer.json")))
    passage = Passage("harga beras 12,5 ribu di pasar kota")
    for answer in ("beras", "12,5 ribu", "pasar kota"):
        start = passage.text.index(answer)
        row = Row("berapa ?", passage, ((start, start + len(answer)),), "id")
        window, places = window_of(model, row, np.random.default_rng(0))
        ((first, last),) = places
        offsets = window.offsets[first - window.first][0], window.offsets[last - window.first][1]
        assert passage.text[slice(*offsets)] == answer
        assert places_of(window, ()) == [(0, 0)]
        assert places_of(window, ((500, 510),)) == [(0, 0)]


def test_the_segments_of_shared_words_begin_as_those_they_are_parts_of(encoder: Path) -> None:
    segments = begin(encoder).state_dict()[f"bert.{SEGMENTS_OF_BODY}"]
    assert torch.equal(segments[SHARED_IN_QUESTION], segments[IN_QUESTION])
    assert torch.equal(segments[SHARED_IN_PASSAGE], segments[IN_PASSAGE])
    assert not torch.equal(segments[IN_QUESTION], segments[IN_PASSAGE])


def test_the_loss_counts_only_spans_that_may_be_answered(encoder: Path) -> None:
    model = SpanModel(begin(encoder), Tokenizer.from_file(str(encoder / "tokenizer.json")))
    # Of two sentences: a span from the one into the other is no rival.
    row = Row("apa ?", Passage("Harga beras naik. Pasar kota."), ((0, 11),), "id")
    window, places = window_of(model, row, np.random.default_rng(0))
    assert not allowed_spans(window)[0, -1]
    with torch.no_grad():
        start, end = run_network(model.network, [window])
    pairs = [
        start[0, first] + end[0, last]
        for first, last in [(0, 0), *(np.argwhere(allowed_spans(window)) + window.first).tolist()]
    ]
    ((first, last),) = places
    wanted = -(
        torch.log_softmax(start, 1)[0, first] / 2
        + torch.log_softmax(end, 1)[0, last] / 2
        + start[0, first] + end[0, last] - torch.logsumexp(torch.stack(pairs), 0)
    ) / 2  # fmt: skip
    assert backward(model.network, [(window, places)]) == pytest.approx(float(wanted), rel=0.02)


def weights_of(recipe: Recipe) -> dict[str, torch.Tensor]:
    return SpanModel.load(recipe.out / "model", "float32").network.state_dict()


def test_the_command_makes_a_reader_that_learnt_to_read_and_goes_on_where_it_stopped(
    data: Path,
    encoder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(reader, "CHECKPOINT_STEPS", 20)
    options = [str(data), "--init", str(encoder), "--steps", "45"]
    monkeypatch.setattr(reader.Plan, "__init__", fast(reader.Plan))
    assert main([*options, "--out", str(tmp_path / "whole")]) == 0
    said = capsys.readouterr().err
    assert "FacQA" in said
    assert "the reader is in" in said
    model = SpanModel.load(tmp_path / "whole" / "model", "float32")
    learnt = bench.judge_rows(model, training_rows(data)["facqa"])
    untaught = bench.judge_rows(
        SpanModel(begin(encoder), Tokenizer.from_file(str(encoder / "tokenizer.json"))),
        training_rows(data)["facqa"],
    )
    assert learnt.f1.mean() > untaught.f1.mean() + 0.3

    drawn = Sampler.draw
    calls = 0

    def stopping(self: Sampler, count: int, chance: np.random.Generator) -> list[Row]:
        nonlocal calls
        calls += 1
        if calls == 30:
            raise KeyboardInterrupt
        return drawn(self, count, chance)

    monkeypatch.setattr(Sampler, "draw", stopping)
    with pytest.raises(KeyboardInterrupt):
        main([*options, "--out", str(tmp_path / "stopped")])
    monkeypatch.setattr(Sampler, "draw", drawn)
    assert main([*options, "--out", str(tmp_path / "stopped")]) == 0
    whole, stopped = (
        SpanModel.load(tmp_path / name / "model", "float32").network.state_dict()
        for name in ("whole", "stopped")
    )
    assert all(torch.equal(tensor, stopped[name]) for name, tensor in whole.items())

    assert main([*options, "--seed", "1", "--out", str(tmp_path / "whole")]) == 1
    assert "is of another plan" in capsys.readouterr().err


def fast(plan: type[Plan]):
    """Return an ``__init__`` of ``plan`` with sizes for words by the dozen."""
    init = plan.__init__

    def small(self: Plan, **values: float) -> None:
        init(self, **{"batch": 16, "learning_rate": 3e-3, **values})

    return small


def test_near_misses_are_the_passages_of_others(data: Path, encoder: Path, tmp_path: Path) -> None:
    recipe = Recipe(data, encoder, tmp_path, Plan())
    recipe.say = silent
    sets = training_rows(data)
    found = recipe.misses(sets)
    row = sets["facqa"][0]
    assert found[row.key]
    texts = {passage.text for passage in found[row.key]}
    assert row.passage.text not in texts
    assert not any(row.texts[0] in text.split() for text in texts)
    indonesian = {one.passage.text for group in sets.values() for one in group if one.language == "id"}
    assert texts <= indonesian
    assert recipe.misses({}) == found  # from its file


def test_an_encoder_that_is_none_is_refused_by_name(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=str(tmp_path)):
        begin(tmp_path)


def test_the_threshold_refuses_three_of_four_unanswerable_questions() -> None:
    odds = np.array([3.0, 1.0, -1.0, 2.0, -2.0, -3.0, 0.0])
    answerable = np.array([True, True, True, False, False, False, False])
    reading = Judged(np.array([1.0, 0.5, 1.0, 0, 0, 0, 0]), np.zeros(7), odds, answerable, answerable)
    assert (odds[~answerable] <= reading.threshold).mean() == 0.75
    assert reading.f1_at(reading.threshold).tolist() == [1.0, 0.5, 0.0]
    line = bench.describe("set", reading)
    assert "3 answerable: F1 0.833" in line
    assert "4 unanswerable: with 75% of them refused" in line
