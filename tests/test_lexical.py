"""BM25 by tantivy: exact rankings on small texts, and a user's words that never become syntax."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from conftest import HARBOUR, MATCH, RICE
from hypothesis import given
from hypothesis import strategies as st

from qa.lexical import LexicalIndex
from qa.store import ChunkRow
from qa.types import Filters


def row(
    key: int,
    text: str,
    title: str | None = None,
    day: date | None = date(2023, 5, 19),
    source: str | None = "Contoh",
) -> ChunkRow:
    return ChunkRow(key, text, title, day, source, np.zeros(1, dtype=np.float32))


ROWS = [
    row(1, HARBOUR, "Pelabuhan ditutup"),
    row(2, RICE, "Harga beras", date(2023, 5, 20), "CONTOH Lain"),
    row(3, MATCH, None, None, None),
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> LexicalIndex:
    return LexicalIndex.create(tmp_path_factory.mktemp("lexical")).updated(ROWS)


def keys(index: LexicalIndex, question: str, k: int = 9, filters: Filters | None = None) -> list[int]:
    return [key for key, _ in index.search(question, k, filters)]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Berapa harga beras?", [2]),
        ("Siapa yang mengalahkan tim tamu?", [3]),
        ("kepala pelabuhan", [1]),
        ("pelabuhan beras final", [1, 2, 3]),
        ("BERAS", [2]),
        ("berasnya", [2]),  # by its stem
        ("tidak disebut", []),
        ("", []),
        ("?!", []),
    ],
)
def test_what_is_found(question: str, expected: list[int], index: LexicalIndex) -> None:
    assert sorted(keys(index, question)) == expected


def test_the_passage_with_more_of_the_words_is_first(tmp_path: Path) -> None:
    texts = ["harga beras naik", "harga beras turun pekan lalu", "harga gula naik", "kapal berangkat"]
    index = LexicalIndex.create(tmp_path).updated(row(n, text) for n, text in enumerate(texts, start=1))
    assert keys(index, "harga beras naik") == [1, 3, 2]  # two words each, in three and in five
    assert keys(index, "beras turun") == [2, 1]
    assert keys(index, "harga", k=2) == [1, 3]  # the shorter of equals, then by key


def test_scores_are_bm25(tmp_path: Path) -> None:
    """One word in one of two passages of equal length, raw and stemmed: twice ``ln(1 + 1.5 / 1.5)``."""
    index = LexicalIndex.create(tmp_path).updated([row(1, "beras gula"), row(2, "kapal dermaga")])
    ((key, score),) = index.search("beras", 5)
    assert key == 1
    assert score == pytest.approx(2 * math.log(2), rel=1e-4)


def test_an_english_question_finds_what_indonesian_says_for_its_words(index: LexicalIndex) -> None:
    assert keys(index, "Why was the port closed?") == [1]
    assert keys(index, "How much did rice prices increase?") == [2]
    assert keys(index, "Who did the women's team defeat?") == [3]


def test_synonyms_do_not_add_up(tmp_path: Path) -> None:
    rows = [row(1, "perundingan negosiasi pembicaraan dialog", None), row(2, "perundingan Armenia", None)]
    index = LexicalIndex.create(tmp_path).updated(rows)
    assert keys(index, "What about the talks with Armenia?") == [2, 1]
    ((_, several),) = [pair for pair in index.search("What about the talks?", 9) if pair[0] == 1]
    ((_, best),) = [pair for pair in index.search("Apa kata negosiasi?", 9) if pair[0] == 1]
    assert several == pytest.approx(best)


def test_a_headline_counts_half(tmp_path: Path) -> None:
    index = LexicalIndex.create(tmp_path).updated(
        [row(1, "beras gula", "kapal"), row(2, "kapal gula", "beras"), row(3, "beras gula", "beras")]
    )
    assert keys(index, "beras") == [3, 1, 2]


def test_a_text_becomes_no_syntax(index: LexicalIndex) -> None:
    for question in (
        "words:beras AND (key:1 OR *)",
        '"harga beras"~9^100',
        "/.*/",
        "beras -harga",
        "key:2",
        "[a TO z]",
    ):
        assert set(keys(index, question)) <= {1, 2, 3}
    assert keys(index, "key:2") == []
    assert keys(index, "beras -harga") == [2]


@given(st.text(max_size=80), st.integers(0, 12))
def test_any_question_is_answered_in_order(index: LexicalIndex, question: str, k: int) -> None:
    found = index.search(question, k)
    assert len(found) <= k
    assert found == sorted(found, key=lambda pair: (-pair[1], pair[0]))
    assert all(score > 0 for _, score in found)


def test_filters(index: LexicalIndex) -> None:
    question = "pelabuhan beras final"
    every = dict(index.search(question, 9))
    for filters, expected in (
        (Filters(date_from=date(2023, 5, 19)), {1, 2}),
        (Filters(date_to=date(2023, 5, 19)), {1}),
        (Filters(date_from=date(2023, 5, 20), date_to=date(2023, 5, 20)), {2}),
        (Filters(date_from=date(2023, 5, 21), date_to=date(2023, 5, 19)), set()),
        (Filters(sources=("contoh",)), {1}),
        (Filters(sources=(" Contoh LAIN ", "contoh")), {1, 2}),
        (Filters(sources=("tidak ada",)), set()),
        (Filters(sources=("contoh lain",), date_to=date(2023, 5, 19)), set()),
    ):
        found = dict(index.search(question, 9, filters))
        assert found.keys() == expected, filters
        assert all(score == pytest.approx(every[key]) for key, score in found.items())  # filters do not score


def test_updates_lead_to_a_new_state_and_leave_the_old_one(tmp_path: Path) -> None:
    before = LexicalIndex.create(tmp_path).updated(ROWS[:2])
    after = before.updated([ROWS[2]], removed=[1, 99])
    assert (len(before), len(after)) == (2, 2)
    assert (keys(before, "pelabuhan"), keys(after, "pelabuhan")) == ([1], [])
    assert (keys(before, "final"), keys(after, "final")) == ([], [3])
    reopened = LexicalIndex.open(tmp_path)
    assert keys(reopened, "final beras pelabuhan") == keys(after, "final beras pelabuhan")


def test_the_cut_among_equals_is_by_key_whatever_the_order_of_adding(tmp_path: Path) -> None:
    index = LexicalIndex.create(tmp_path)
    for part in ([9, 3, 7], [8, 1], [2, 6, 5, 4]):
        index = index.updated(row(key, "harga beras naik") for key in part)
    for k in range(1, 12):
        assert keys(index, "beras", k) == list(range(1, min(k, 9) + 1))


def test_document_frequency_counts_every_form_of_a_stem(index: LexicalIndex) -> None:
    assert index.document_frequency("pelabuhan") == 1
    assert index.document_frequency("tim") == 1
    assert index.document_frequency("tidakada") == 0


def test_a_very_long_word_is_no_obstacle(tmp_path: Path) -> None:
    index = LexicalIndex.create(tmp_path).updated([row(1, f"beras {'x' * 100_000}"), row(2, "gula")])
    assert keys(index, "beras") == [1]
    assert keys(index, "x" * 100_000) == []
