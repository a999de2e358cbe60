"""What was written to train on: the tables as they are read, and the ones that come with the recipe."""

from __future__ import annotations

from pathlib import Path

import pytest

from embeddings.glosses import read_table
from embeddings.training import written
from embeddings.training.data import read_rows
from embeddings.training.written import name_of, read_questions, to_indonesian
from tests.training_samples import read_tables_of, write_rows, write_tables, write_training_data


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return read_tables_of(write_tables(write_training_data(tmp_path / "data")), monkeypatch)


def test_questions_come_with_their_passages(data: Path) -> None:
    leads = read_rows(data, "wiki/id_wikipedia_leads")
    found = read_questions(data)
    assert [question.passage for question in found[:-2]] == [row["paragraphs"][0] for row in leads]
    assert [question.title for question in found[:-2]] == [row["title"] for row in leads]
    news, answered = found[-2:]
    assert news.title == ""
    assert len(news.paragraphs) == 2
    assert news.passage == " ".join(news.paragraphs)
    assert news.english.startswith("Where is ")
    assert news.indonesian.startswith("Di mana ")
    assert news.gist.startswith("Gist: ")
    assert (answered.english, answered.indonesian, answered.gist) == (
        "What is there ?",
        "Apa di situ ?",
        "What is there ?",
    )
    assert len(answered.paragraphs) == 1


def test_questions_about_texts_of_another_edition_are_left_out(data: Path) -> None:
    before = read_questions(data)
    rows = read_rows(data, "wiki/id_wikipedia_leads")
    rows[3]["paragraphs"] = ["Teks yang lain ."]
    write_rows(data, "wiki/id_wikipedia_leads", rows)
    assert read_questions(data) == [*before[:3], *before[4:]]


def test_a_passage_that_lacks_a_paragraph_is_left_out(data: Path) -> None:
    whole = read_questions(data)
    rows = read_rows(data, "news/indosum")
    second = whole[-2].paragraphs[1]
    for row in rows:
        row["paragraphs"] = [text for text in row["paragraphs"] if text.replace(" .", ".") != second]
    write_rows(data, "news/indosum", rows)
    assert read_questions(data) == [*whole[:-2], whole[-1]]


def test_one_passage_in_so_many_is_for_development(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(written, "DEVELOPMENT_SHARE", 3)
    for question in read_questions(data):
        number = int(name_of(question.paragraphs[0])[:8], 16)
        assert question.development == (number % 3 == 0)
    assert len({question.development for question in read_questions(data)}) == 2


def test_translations_into_indonesian_are_the_words_that_mean_it_first() -> None:
    glosses = {
        "harga": ("price", "value"),
        "tarif": ("rate", "price"),
        "biaya": ("cost", "price"),
        "nilai": ("value", "score"),
        "ongkos": ("cost",),
        "beban": ("cost",),
        "anggaran": ("cost",),
        "pasar induk": ("central market",),
    }
    assert to_indonesian(glosses) == {
        "price": ("harga",),
        "value": ("nilai",),
        "rate": ("tarif",),
        "cost": ("biaya", "ongkos", "beban"),
        "score": ("nilai",),
    }


def test_the_answers_that_come_with_the_recipe_are_whole() -> None:
    rows = list(read_table(written.ANSWERS, 6))
    questions = {row[0] for row in read_table(written.QUESTIONS, 4)}
    assert len({row[0] for row in rows}) == len(rows) > 7_900
    assert questions.isdisjoint(row[0] for row in rows)
    for _, english, indonesian, answer, no_answer_en, no_answer_id in rows:
        assert answer == answer.strip()
        assert len({english, indonesian, no_answer_en, no_answer_id}) > 2


def test_the_table_that_comes_with_the_recipe_is_whole() -> None:
    rows = list(read_table(written.QUESTIONS, 4))
    assert len({row[0] for row in rows}) == len(rows) > 11_000
    for passage, *texts in rows:
        assert all(len(name) == 12 and int(name, 16) >= 0 for name in passage.split("+"))
        assert all(text == " ".join(text.split()) for text in texts)
    # A development set of a size that tells two models apart.
    assert sum(int(row[0][:8], 16) % written.DEVELOPMENT_SHARE == 0 for row in rows) > 600
