"""Words, stems, stop words and the language of a question."""

from __future__ import annotations

import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa import terms
from qa.terms import detect_language, located_words, query_terms, query_words, read_terms, stem, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Harga BERAS naik!", ["harga", "beras", "naik"]),
        ("Rp 5,3 T atau Rp14.500", ["rp", "5,3", "t", "atau", "rp14", "500"]),
        ("pukul 10.30, 24/4/2021", ["pukul", "10.30", "24/4/2021"]),
        ("tiga-tiganya “dikutip”", ["tiga", "tiganya", "dikutip"]),
        ("Café Straße ÉCLAIR", ["cafe", "strasse", "eclair"]),
        ("e\u0301kspor = \u00e9kspor", ["ekspor", "ekspor"]),
        ("🍚 … — !", []),
        ("𝕊alinan ＡＢＣ", ["salinan", "abc"]),
        ("", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Harga BERAS naik 5,3%!",
            [("Harga", "harga"), ("BERAS", "beras"), ("naik", "naik"), ("5,3", "5,3")],
        ),
        ("e\u0301kspor, Café", [("e\u0301kspor", "ekspor"), ("Café", "cafe")]),
        ("🍚 …", []),
    ],
)
def test_located_words_are_where_they_say(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(text[start:end], word) for start, end, word in located_words(text)] == expected


@given(st.text())
def test_located_words_come_in_order_whatever_the_text(text: str) -> None:
    ends = [0]
    for start, end, _ in located_words(text):
        assert ends[-1] <= start < end <= len(text)
        ends.append(end)


def test_what_may_stand_for_a_word_of_the_question_in_a_passage() -> None:
    assert {"tewas", "menewaskan"} <= set(read_terms("Siapa yang tewas?")[0])
    assert "penengah" in read_terms("Who mediated the talks?")[0]
    assert read_terms("Siapa Lavrov?") == [("lavrov",)]


def test_query_words_leave_function_words_of_both_languages_out() -> None:
    assert query_words("Siapa yang menutup pelabuhan dan siapa lagi pelabuhan?") == [
        "menutup",
        "pelabuhan",
        "lagi",
    ]
    assert query_words("Who closed the harbour?") == ["closed", "harbour"]


def test_a_question_of_nothing_but_function_words_keeps_them() -> None:
    assert query_words("Siapa dia?") == ["siapa", "dia"]
    assert query_words("Who is who?") == ["who", "is"]
    assert query_words("?!") == []


def test_english_words_bring_what_indonesian_news_says_for_them() -> None:
    raised, *others = query_terms("Who raised the minimum wages of the Zamorans?", "en")
    assert raised[:2] == ("raised", "menaikkan")
    assert others == [("minimum", "minimum"), ("wages", "upah", "gaji", "umk", "ump"), ("zamorans",)]


def test_indonesian_words_stand_alone() -> None:
    assert query_terms("Siapa menaikkan upah minimum?", "id") == [("menaikkan",), ("upah",), ("minimum",)]


def test_english_words_become_what_means_them_first_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    glosses = {
        "menangkap": ("catch", "arrest"),
        "ditangkap": ("was arrested",),
        "penangkapan": ("arrest; capture",),
        "dewan": ("council", "house of representatives"),
        "rumah": ("the house", "home"),
        "atas": ("on", "above"),
    }
    monkeypatch.setattr(terms, "read_glosses", lambda: glosses | {"penangkapan": ("arrest", "capture")})
    monkeypatch.setattr(terms, "_translations", terms._translations.__wrapped__)
    asked = query_terms("Who arrested the house thieves above?", "en")
    assert asked == [
        ("arrested", "ditangkap", "penangkapan", "menangkap"),
        ("house", "rumah"),
        ("thieves",),
        ("above", "atas"),
    ]
    monkeypatch.setattr(terms, "_MOST_TRANSLATIONS", 2)
    assert query_terms("arrests", "en") == [("arrests", "ditangkap", "penangkapan")]
    assert query_terms("house", "id") == [("house",)]


def test_stems_bring_forms_together() -> None:
    assert stem("perdagangan") == stem("dagang")
    assert stem("gelombangnya") == stem("gelombang")
    assert stem("14.500") == "14.500"


def test_stemming_from_several_threads_gives_the_stems_of_one() -> None:
    """A stemmer keeps the word it works on in itself: two threads at once would mix their words."""
    vocabulary = [
        f"{prefix}{root}{suffix}"
        for prefix in ("", "me", "ber", "di", "per", "ke", "ter")
        for root in ("dagang", "temu", "ajar", "kerja", "jalan", "bangun", "hasil", "tingkat")
        for suffix in ("", "kan", "an", "nya", "i", "kah")
    ]
    terms.stem.cache_clear()
    expected = {word: stem(word) for word in vocabulary}
    terms.stem.cache_clear()
    wrong: list[str] = []

    def run(offset: int) -> None:
        for round_number in range(6):
            if round_number and offset == 0:
                terms.stem.cache_clear()
            for word in vocabulary[offset:] + vocabulary[:offset]:
                try:
                    if stem(word) != expected[word]:
                        wrong.append(word)
                except Exception as error:
                    wrong.append(f"{word}: {error}")

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=run, args=(20 * n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
        terms.stem.cache_clear()
    assert wrong == []


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("Who mediated the talks?", "en"),
        ("When was the harbour closed", "en"),
        ("How much is rice per kilogram?", "en"),
        ("Siapa yang memediasi perundingan?", "id"),
        ("Berapa harga beras di Pasar Induk?", "id"),
        ("Di mana final digelar?", "id"),
        ("Apa kata Menteri Perdagangan?", "id"),
        ("Menteri Perdagangan", "id"),
        ("", "id"),
    ],
)
def test_detect_language(question: str, language: str) -> None:
    assert detect_language(question) == language


@given(st.text())
def test_words_are_lower_case_and_found_again_in_themselves(text: str) -> None:
    found = words(text)
    assert all(words(word) == [word] for word in found)
    assert set(query_words(text)) <= set(found)
    assert detect_language(text) in ("en", "id")
