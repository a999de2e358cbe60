"""When two answers say the same: SQuAD's rules against an implementation of their text, and ours by cases."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.evaluation.normalise import exact_match, f1, holds, normalise

# Forms as they stand in Indonesian reading data: amounts, dates, measures, names with titles.
SAME = [
    ("Rp 5,3 triliun", "Rp5,3 triliun"),
    ("Rp. 5,3 triliun", "5,3 triliun rupiah"),
    ("Rp 5,3 T", "Rp5,30 trilyun"),
    ("Rp 913 miliar", "Rp913 milyar"),
    ("Rp 2 M", "Rp2 miliar"),
    ("Rp 100.000", "Rp100.000,-"),
    ("Rp 6.000", "Rp6000"),
    ("Rp6.000,00", "Rp 6.000"),
    ("160 juta dolar Amerika", "US$ 160 juta"),
    ("160 juta dollar AS", "USD160 juta"),
    ("5.300", "5300"),
    ("1.250.000", "1,250,000"),
    ("39.422 ribu ton", "39422 ribu ton"),
    ("9,5 persen", "9,5%"),
    ("9,50 %", "9,5 persen"),
    ("14.300 km²", "14.300 kilometer persegi"),
    ("9.000.000km2", "9.000.000 kilometer persegi"),
    ("25 km", "25 kilometer"),
    ("169.616,65 Ha", "169.616,65 hektar"),
    ("568.700 hektare", "568.700 hektar"),
    ("24 April 2021", "24/4/2021"),
    ("24 April 2021", "24-04-2021"),
    ("24 April 2021", "2021-04-24"),
    ("24 April 2021", "April 24, 2021"),
    ("03 April 1973", "3 April 1973"),
    ("11 January 1987", "11 Januari 1987"),
    ("15 oktober 2003", "15 Okt 2003"),
    ("23/8", "23 Agustus"),
    ("9 Nopember 1989", "9 November 1989"),
    ("Mei 2021", "May 2021"),
    ("pukul 14.30", "pukul 14:30"),
    ("9.05 WIB", "09:05 WIB"),
    ("Presiden Joko Widodo", "Joko Widodo"),
    ("Bapak Menteri", "Menteri"),
    ("Drs. H. Redaktur Utama", "Redaktur Utama"),
    ("Prof Dr Peneliti Tamu", "Peneliti Tamu"),
    ("Kolonel Jenderal Anatoly Sidorov", "Anatoly Sidorov"),
    ("sang juara", "juara"),
    ("para praktisi", "Praktisi"),
    ("Ma’ruf", "Ma'ruf"),
    ("Jum'at", "Jumat"),
    ("“Despacito”", "Despacito"),
    ("Armenia–Azerbaijan", "Armenia-Azerbaijan"),
    ("Amerika Serikat (AS)", "Amerika Serikat AS"),
]
DIFFERENT = [
    ("Rp 5,3 triliun", "Rp 5,3 miliar"),
    ("5.300", "5,300"),
    ("5,3", "53"),
    ("1.250", "1,25"),
    ("24 April 2021", "24 April 2020"),
    ("24 April 2021", "4 April 2021"),
    ("55/2005", "55 2005 2005"),
    ("Presiden Rusia", "Rusia"),
    ("Presiden Amerika Serikat", "Amerika Serikat"),
    ("Menteri Perdagangan", "Perdagangan"),
    ("presiden", ""),
    ("para", ""),
    ("9,5 persen", "9,5"),
    ("25 km", "25 km2"),
    ("3-1", "31"),
    ("berita", "ita"),
]


@pytest.mark.parametrize(("left", "right"), SAME)
def test_the_same_in_indonesian(left: str, right: str) -> None:
    assert normalise(left) == normalise(right)
    assert (exact_match(left, [right]), f1(left, [right])) == (1.0, 1.0)


@pytest.mark.parametrize(("left", "right"), DIFFERENT)
def test_not_the_same_in_indonesian(left: str, right: str) -> None:
    assert exact_match(left, [right]) == 0.0


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Perpres No 55/2005", ["perpres", "no", "55", "2005"]),
        ("skor 21-15", ["skor", "21", "15"]),
        ("COVID-19 dan 4x100 meter", ["covid", "19", "dan", "4x100", "meter"]),
        ("gempa 6,2 SR, Senin (21/4/2021)", ["gempa", "6.2", "sr", "senin", "21", "april", "2021"]),
        ("versi 5.10", ["versi", "5.10"]),
        ("nol koma 0,25", ["nol", "koma", "0.25"]),
        ("45/13/2021", ["45", "13", "2021"]),
    ],
)
def test_tokens(text: str, tokens: list[str]) -> None:
    assert list(normalise(text)) == tokens


def test_words_shared_count() -> None:
    assert f1("Menteri Luar Negeri Rusia", ["Rusia"]) == pytest.approx(2 * 1 / 5)
    assert f1("tidak tahu", ["Rusia", "tidak"]) == pytest.approx(2 / 3)
    assert f1("ya ya", ["ya"]) == pytest.approx(2 / 3)


def test_a_refusal_is_right_only_where_there_is_no_answer() -> None:
    assert (exact_match("", []), f1("", [])) == (1.0, 1.0)
    assert (exact_match("Rusia", []), f1("Rusia", [])) == (0.0, 0.0)
    assert (exact_match("", ["Rusia"]), f1("", ["Rusia"])) == (0.0, 0.0)


def test_a_sentence_holds_an_answer_word_for_word() -> None:
    sentence = "Neraca dagang surplus US$1,32 miliar pada Februari, kata Menteri Perdagangan."
    assert holds(sentence, ["1,32 miliar dolar AS"])
    assert holds(sentence, ["tidak ada", "Menteri Perdagangan"])
    assert not holds(sentence, ["32 miliar"])
    assert not holds(sentence, ["dagang"[:4]])
    assert not holds(sentence, ["“”"])
    assert not holds(sentence, [])


def reference_tokens(text: str) -> list[str]:
    """SQuAD's own order of steps: lower, drop punctuation, drop articles, join blanks."""
    text = "".join(character for character in text.lower() if character not in set(string.punctuation))
    text = re.sub(r"\b(a|an|the)\b", " ", text)
    return " ".join(text.split()).split()


def reference_f1(prediction: str, gold: str) -> float:
    predicted, wanted = reference_tokens(prediction), reference_tokens(gold)
    if not predicted or not wanted:
        return float(predicted == wanted)
    left, shared = list(wanted), 0
    for token in predicted:
        if token in left:
            left.remove(token)
            shared += 1
    if not shared:
        return 0.0
    precision, recall = shared / len(predicted), shared / len(wanted)
    return 2 * precision * recall / (precision + recall)


words = st.lists(
    st.sampled_from(
        ["the", "The", "a", "an", "cat's", "sat,", "on", "mat.", "U.S.", "1,000", "-", "–", "Über", "“q”"]
    ),
    max_size=8,
).map(" ".join)


@given(prediction=words, golds=st.lists(words, min_size=1, max_size=3))
def test_squad_rules_agree_with_the_reference(prediction: str, golds: list[str]) -> None:
    best = max(reference_f1(prediction, gold) for gold in golds)
    equal = max(float(reference_tokens(prediction) == reference_tokens(gold)) for gold in golds)
    assert f1(prediction, golds, "squad") == pytest.approx(best, abs=1e-6)
    assert exact_match(prediction, golds, "squad") == equal


@given(st.text(max_size=60))
def test_every_text_has_tokens_that_stay_as_they_are(text: str) -> None:
    assert f1(text, [text]) == 1.0
    assert f1(text, [text], "squad") == 1.0
