"""Example questions: made from who is quoted about what, and each seen to be answered from its article."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from page_samples import RICE, TRAIN, SharedWords, article

from qa.errors import InputError
from qa.suggestions import sample_questions, speakers, suggest_questions, topic_of
from qa.types import Answer

QUOTING = article(
    "Redaksi Contoh menilai panen membaik di Karawang. “Panen di Karawang naik,” kata Redaksi.\n"
    "Panen raya di Karawang berlangsung sampai Juni, ujar Redaksi Contoh tentang Karawang.",
    path="panen.txt",
)
OTHER = article(
    "Menteri Perhubungan meninjau dermaga di Merak. Antrean di Merak turun, tutur Kepala Pelabuhan Penulis Contoh "
    "tentang Merak.",
    path="merak.txt",
)


def test_speakers_are_full_names_without_titles_the_most_quoted_first() -> None:
    assert speakers(QUOTING.text) == ["Redaksi Contoh"]
    assert speakers(OTHER.text) == ["Penulis Contoh"]
    text = "Baik, kata Redaksi Contoh. Buruk, ujar Editor Contoh. Lumayan, tegas Editor Contoh."
    assert speakers(text) == ["Editor Contoh", "Redaksi Contoh"]


@pytest.mark.parametrize(
    "text",
    [
        "Harga turun, kata dia.",
        "Harga turun, kata Menteri Perdagangan.",
        "Kata orang tua.",
        "kata Redaksi. Contoh",
    ],
)
def test_without_a_full_name_there_is_no_speaker(text: str) -> None:
    assert speakers(text) == []


def test_the_topic_is_the_proper_name_mentioned_most_besides_the_speaker() -> None:
    assert topic_of(QUOTING.text, "Redaksi Contoh") == "Karawang"
    assert topic_of("Rapat di Merak selesai.", "Redaksi Contoh") is None
    assert topic_of("Pada Senin dan Senin lalu mereka bertemu Presiden dan Presiden.", "x") is None


def test_questions_come_in_both_languages_and_from_different_articles() -> None:
    answerer = SharedWords([QUOTING, OTHER, RICE])
    assert suggest_questions(answerer, 5, language="id") == [
        "Apa kata Redaksi Contoh tentang Karawang?",
        "Apa kata Penulis Contoh tentang Merak?",
    ]
    assert suggest_questions(answerer, 1, language="en") == ["What did Redaksi Contoh say about Karawang?"]


def test_a_question_answered_from_another_article_is_not_offered() -> None:
    richer = article(
        "Redaksi Contoh, Penulis Contoh: apa kata mereka tentang Karawang dan Merak.", path="lain.txt"
    )
    assert suggest_questions(SharedWords([QUOTING, OTHER, richer]), 5) == []


def test_the_time_is_limited() -> None:
    answerer = SharedWords([QUOTING, OTHER])
    assert suggest_questions(answerer, 5, seconds=-1) == []
    assert answerer.asked == []


def test_an_archive_that_cannot_be_asked_has_no_examples() -> None:
    class Refuses(SharedWords):
        def ask(self, question: str) -> Answer:
            raise InputError("no model")

    assert suggest_questions(Refuses([QUOTING]), 5) == []


@pytest.fixture
def question_set(tmp_path: Path) -> Path:
    rows = [
        ("Berapa persen harga beras turun?", "id", "beras.txt"),
        ("Apa yang ditambah dari gudang provinsi?", "id", "beras.txt"),
        ("Berapa menit kereta bandara menempuh jarak?", "id", "bandara.txt"),
        ("Siapa penyanyi terbaik?", "id", None),
        ("Which harga beras turun?", "en", "beras.txt"),
        ("Which harga beras turun pasar?", "en", "bandara.txt"),
    ]
    lines = [
        json.dumps({"question": q, "lang": lang, "article": name, "answers": []}) for q, lang, name in rows
    ]
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(lines) + "\n\n", encoding="utf-8")
    return path


def test_the_samples_questions_are_offered_when_answered_rightly_articles_in_turn(question_set: Path) -> None:
    answerer = SharedWords([RICE, TRAIN])
    assert sample_questions(answerer, 5, question_set, language="id") == [
        "Berapa persen harga beras turun?",
        "Berapa menit kereta bandara menempuh jarak?",
        "Apa yang ditambah dari gudang provinsi?",
    ]
    assert sample_questions(answerer, 5, question_set, language="en") == ["Which harga beras turun?"]


def test_another_archive_is_not_asked_the_samples_questions(question_set: Path) -> None:
    answerer = SharedWords([QUOTING])
    assert sample_questions(answerer, 5, question_set) == []
    assert answerer.asked == []
