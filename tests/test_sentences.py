"""The sentence reader: what its features measure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import WordEncoder, make_article, write_index

from qa.index import NewsIndex
from qa.retriever import HybridRetriever
from qa.sentences import COEFFICIENTS, FEATURES, INTERCEPTS, SentenceReader
from qa.terms import detect_language
from qa.types import Reading

FIRST = "Ketua Panitia membuka pameran buku di Bandung pada 12 Mei."
SECOND = "Pameran buku dikunjungi 4.500 orang."
THIRD = "Penyelenggara berencana mengulang pameran karena peminatnya banyak."
TEXT = f"{FIRST} {SECOND} {THIRD}"


@pytest.fixture
def reading(tmp_path: Path, encoder: WordEncoder):
    write_index(
        tmp_path,
        [make_article(TEXT), make_article("Hujan turun di pesisir sepanjang malam.", "b.txt")],
        encoder,
    )
    with NewsIndex.open(tmp_path, encoder.fingerprint) as index:
        retriever = HybridRetriever(index, encoder)
        reader = SentenceReader(index.rarity)

        def read(question: str) -> dict[str, dict[str, float]]:
            places, features = reader.features(
                question, detect_language(question), retriever.search(question)
            )
            assert features.shape == (len(places), len(FEATURES))
            return {
                hit.article.text[start:end]: dict(zip(FEATURES, row.tolist(), strict=True))
                for (hit, (start, end)), row in zip(places, features, strict=True)
            }

        yield read


def test_sentences_are_told_apart(reading) -> None:
    assert [sentence for sentence in reading("pameran buku") if "Hujan" not in sentence] == [
        FIRST,
        SECOND,
        THIRD,
    ]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Kapan pameran buku dibuka?", {FIRST}),
        ("When did the book fair open?", {FIRST}),
        ("Berapa orang mengunjungi pameran?", {FIRST, SECOND}),
        ("How many people came?", {FIRST, SECOND}),
        ("Di mana pameran diadakan?", {FIRST}),
        ("Mengapa pameran diulang?", {THIRD}),
        ("Siapa membuka pameran?", {FIRST}),
        ("Who opened the fair?", {FIRST}),
    ],
)
def test_the_kind_of_thing_asked_for(reading, question: str, expected: set[str]) -> None:
    features = reading(question)
    assert {
        sentence for sentence, row in features.items() if row["expected_kind"] == 1.0 and sentence in TEXT
    } == expected


def test_what_the_question_said_itself_is_no_answer(reading) -> None:
    assert reading("Berapa dari 4.500 orang datang?")[SECOND]["expected_kind"] == 0.0
    assert reading("Apa kata panitia?")[FIRST]["expected_kind"] == 0.5


def test_shared_words_are_weighed_by_rarity_and_names_counted(reading) -> None:
    features = reading("Apakah pameran dibuka di Bandung?")
    assert features[FIRST]["sentence_words"] == pytest.approx(1.0)
    assert features[FIRST]["sentence_names"] == 1.0
    assert features[SECOND]["sentence_names"] == 0.0
    assert 0 < features[SECOND]["sentence_words"] < 0.5
    assert features[SECOND]["passage_words"] == pytest.approx(1.0)
    assert features[SECOND]["passage_names"] == 1.0


def test_coefficients_match_the_features() -> None:
    for language in ("en", "id"):
        assert len(COEFFICIENTS[language]) == len(FEATURES)
        assert np.isfinite(INTERCEPTS[language])


def test_nothing_retrieved_gives_nothing(tmp_path: Path, encoder: WordEncoder) -> None:
    write_index(tmp_path, [make_article(TEXT)], encoder)
    with NewsIndex.open(tmp_path, encoder.fingerprint) as index:
        assert SentenceReader(index.rarity).read("Siapa?", "id", []) == Reading([], [])
