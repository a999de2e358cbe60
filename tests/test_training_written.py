"""What was written to train on: the tables as they are read, and the ones that come with the recipe."""

from __future__ import annotations

from pathlib import Path

import pytest

from embeddings.glosses import read_table
from embeddings.training import written
from embeddings.training.data import read_rows
from embeddings.training.written import name_of, read_questions, to_indonesian
from tests.training_samples import write_rows, write_tables, write_training_data


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = write_tables(write_training_data(tmp_path / "data"))
    monkeypatch.setattr(written, "QUESTIONS", folder / "questions.tsv")
    return folder


def test_questions_come_with_their_passages(data: Path) -> None:
    leads = read_rows(data, "wiki/id_wikipedia_leads")
    found = read_questions(data)
    assert [question.passage for question in found[:-1]] == [row["paragraphs"][0] for row in leads]
    assert [question.title for question in found[:-1]] == [row["title"] for row in leads]
    news = found[-1]
    assert news.title == ""
    assert len(news.paragraphs) == 2
    assert news.passage == " ".join(news.paragraphs)
    assert news.english.startswith("Where is ")
    assert news.indonesian.startswith("Di mana ")
    assert news.gist.startswith("Gist: ")


def test_questions_about_texts_of_another_edition_are_left_out(data: Path) -> None:
    before = read_questions(data)
    rows = read_rows(data, "wiki/id_wikipedia_leads")
    rows[3]["paragraphs"] = ["Teks yang lain ."]
    write_rows(data, "wiki/id_wikipedia_leads", rows)
    assert read_questions(data) == [*before[:3], *before[4:]]


def test_a_passage_that_lacks_a_paragraph_is_left_out(data: Path) -> None:
    whole = read_questions(data)
    rows = read_rows(data, "news/indosum")
    second = whole[-1].paragraphs[1]
    for row in rows:
        row["paragraphs"] = [text for text in row["paragraphs"] if text.replace(" .", ".") != second]
    write_rows(data, "news/indosum", rows)
    assert read_questions(data) == whole[:-1]


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


def test_the_table_that_comes_with_the_recipe_is_whole() -> None:
    rows = list(read_table(written.QUESTIONS, 4))
    assert len({row[0] for row in rows}) == len(rows) > 11_000
    for passage, *texts in rows:
        assert all(len(name) == 12 and int(name, 16) >= 0 for name in passage.split("+"))
        assert all(text == " ".join(text.split()) for text in texts)
    # A development set of a size that tells two models apart.
    assert sum(int(row[0][:8], 16) % written.DEVELOPMENT_SHARE == 0 for row in rows) > 600
