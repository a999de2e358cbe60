"""Sentences and chunks: exact offsets whatever the text, no sentence lost, abbreviations whole."""

from __future__ import annotations

from itertools import pairwise

import pytest
from conftest import HARBOUR, make_article
from hypothesis import example, given
from hypothesis import strategies as st

from qa.chunking import MAX_WORDS, OVERLAP_WORDS, chunk_article, sentence_spans
from qa.types import Chunk

PIECES = st.sampled_from(
    [
        "Menteri Perdagangan menjanjikan operasi pasar.",
        "Drs. H. Joko",
        "Rp 5,3 T",
        "No. 5",
        "“Kami siap,” katanya.",
        "🍚🚢👩‍👩‍👧‍👦",
        "e\u0301kspor\u0301",
        "\u200b\u00a0\u2028",
        "A" * 300,
        "...",
        "?!",
        "\n\n",
        "\r\n",
        "\t",
        " ",
        ". ",
        "kata " * 120,
        "\x00",
        "\ufeff",
        "ﷺ",
    ]
)
TEXTS = st.one_of(st.text(max_size=400), st.lists(PIECES, max_size=25).map("".join))


def check(text: str, max_words: int) -> list[Chunk]:
    """The property tested everywhere, and what chunks promise besides."""
    article = make_article(text)
    chunks = chunk_article(article, max_words=max_words)
    assert [chunk.ordinal for chunk in chunks] == list(range(len(chunks)))
    for chunk in chunks:
        assert text[chunk.start : chunk.end] == chunk.text
        assert chunk.id == f"{article.id}-{chunk.ordinal}"
        assert chunk.article_id == article.id
        assert chunk.text
        assert chunk.text == chunk.text.strip()
        assert len(chunk.text.split()) <= max_words
    # In reading order, none within another.
    assert all(a.start < b.start and a.end < b.end for a, b in pairwise(chunks))
    return chunks


@given(TEXTS, st.integers(1, 100))
@example("", MAX_WORDS)
@example(" \n \n", MAX_WORDS)
@example("x" * 5000, MAX_WORDS)
@example("kata " * 500, MAX_WORDS)
@example("\n".join("baris" for _ in range(300)), MAX_WORDS)
@example("\u2028satu. Dua\u2029tiga", 2)
@example(".: 0 0 0 .: 0", 7)
def test_offsets_are_exact_and_no_word_is_lost(text: str, max_words: int) -> None:
    chunks = check(text, max_words)
    covered = set()
    for chunk in chunks:
        covered.update(range(chunk.start, chunk.end))
    assert all(place in covered for place, char in enumerate(text) if not char.isspace())


@given(TEXTS)
def test_every_sentence_is_in_a_chunk(text: str) -> None:
    chunks = check(text, MAX_WORDS)
    for start, end in sentence_spans(text):
        if len(text[start:end].split()) <= MAX_WORDS:
            assert any(chunk.start <= start and end <= chunk.end for chunk in chunks), text[start:end]


@given(TEXTS)
def test_sentences_are_in_order_apart_and_without_outer_blanks(text: str) -> None:
    spans = sentence_spans(text)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    for start, end in spans:
        sentence = text[start:end]
        assert sentence
        assert sentence == sentence.strip()
        assert "\n" not in sentence


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize(
    "sentence",
    [
        "Kepala Dinas Drs. Joko membuka pasar itu.",
        "Aturan No. 5 Tahun 2021 berlaku mulai Senin.",
        "Kantornya di Jl. Sudirman ditutup sementara.",
        "Direktur PT. Contoh Jaya hadir.",
        "Anggarannya Rp 5,3 T untuk dua tahun.",
        "Jembatan A. Yani diperbaiki pekan depan.",
        "Wali Kota H. Joko meresmikan dermaga.",
        "Rektor Prof. Dr. Ir. Joko menutup acara.",
        "Harga naik menjadi Rp. 14.500 per kilogram.",
        "Kapal berangkat pukul 10.30 dari dermaga.",
        "Bupati Kab. Contoh dan Gub. Jawa Contoh bertemu.",
        "Skor 3.1 menjadi bahan perbincangan.",
        "Jl. Sudirman No. 5 ditutup.",
        "Pelaku adalah M. Joko alias J.",
    ],
)
def test_abbreviations_do_not_end_a_sentence(sentence: str) -> None:
    assert sentences(sentence) == [sentence]
    following = "Warga diminta bersabar."
    assert sentences(f"{sentence} {following}")[-1].endswith(following)
    assert sentences(f"{following} {sentence}") == [following, sentence]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            HARBOUR,
            [
                "Pelabuhan Tanjung Contoh ditutup sejak Senin karena gelombang setinggi empat meter.",
                "Kepala Pelabuhan mengatakan kapal penumpang menunggu di dermaga.",
                "Nelayan diminta tidak melaut sampai Kamis.",
            ],
        ),
        ("Sudah siap? Belum! Kapal menunggu.", ["Sudah siap?", "Belum!", "Kapal menunggu."]),
        (
            "“Kami siap.” Menteri lalu pergi. Pasar dibuka.",
            ["“Kami siap.”", "Menteri lalu pergi.", "Pasar dibuka."],
        ),
        ("Judul tanpa titik\nIsi berita.", ["Judul tanpa titik", "Isi berita."]),
        ("tanpa tanda baca sama sekali", ["tanpa tanda baca sama sekali"]),
        ("  \n\n  ", []),
        ("", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def numbered(count: int, words: int) -> str:
    """``count`` sentences of ``words`` words each, "K0 kata kata. K1 kata kata."."""
    return " ".join(f"K{n}{' kata' * (words - 2)} akhir." for n in range(count))


def test_a_short_text_is_one_chunk() -> None:
    (chunk,) = check(HARBOUR, MAX_WORDS)
    assert (chunk.start, chunk.end, chunk.text) == (0, len(HARBOUR), HARBOUR)


def test_chunks_are_evened_out_and_share_a_short_sentence() -> None:
    text = numbered(12, 10)
    chunks = check(text, MAX_WORDS)
    assert [chunk.text.split()[0] for chunk in chunks] == ["K0", "K5", "K10"]
    assert [len(chunk.text.split()) for chunk in chunks] == [60, 60, 20]


def test_long_sentences_are_not_repeated() -> None:
    words = OVERLAP_WORDS + 1
    chunks = check(numbered(6, words), MAX_WORDS)
    assert [chunk.text.split()[0] for chunk in chunks] == ["K0", "K3"]
    assert sum(len(chunk.text.split()) for chunk in chunks) == 6 * words


@pytest.mark.parametrize("words", [MAX_WORDS + 1, 2 * MAX_WORDS, 1000])
def test_a_sentence_longer_than_a_chunk_is_cut_between_words(words: int) -> None:
    text = f"{'kata ' * (words - 1)}akhir."
    chunks = check(text, MAX_WORDS)
    assert sum(len(chunk.text.split()) for chunk in chunks) == words
    assert " ".join(chunk.text for chunk in chunks) == text


def test_a_word_of_any_length_stays_whole() -> None:
    text = f"Sebelum. {'x' * 100_000} sesudah."
    assert any("x" * 100_000 in chunk.text for chunk in check(text, MAX_WORDS))
