"""Follow-ups made to stand alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.followups import Exchange, standalone

TALKS = Exchange("Who mediated the Armenia–Azerbaijan talks?", "Sergei Lavrov")
PENENGAH = Exchange("Siapa yang menjadi penengah pembicaraan Armenia–Azerbaijan?", "Sergei Lavrov")
CLIMBERS = Exchange("How many people climbed Mount Tambora in 2016?", "1.331 orang")
WAGE = Exchange("Berapa upah minimum di Kota Depok untuk tahun 2018?", "Rp3,58 juta")
FINAL = Exchange("In which arena was the 2017 Korea Open men's singles final played?", "SK Handball Stadium")
GRAB = Exchange("Siapa pendiri Grab?", "Anthony Tan")
QUAKE = Exchange("When did the earthquake in Poso happen?", "29 Mei")
CHIEF = Exchange("Who is the chief of the CSTO joint staff?", "Anatoly Sidorov")
TOUR = Exchange("In which city did Paul McCartney's tour finish?", "Auckland")


@pytest.mark.parametrize(
    ("before", "question", "expected"),
    [
        # A question word alone takes the place of the one before.
        (TALKS, "And when?", "When was it that Sergei Lavrov mediated the Armenia–Azerbaijan talks?"),
        (TALKS, "when did that happen?", "When was it that Sergei Lavrov mediated the Armenia–Azerbaijan talks?"),
        (PENENGAH, "Lalu kapan?", "Kapan Sergei Lavrov menjadi penengah pembicaraan Armenia–Azerbaijan?"),
        (FINAL, "And when?", "When was the 2017 Korea Open men's singles final played?"),
        (TOUR, "When?", "When did Paul McCartney's tour finish?"),
        # A name, a year, a role or what is counted takes the place of another.
        (TALKS, "What about Georgia?", "Who mediated the Georgia talks?"),
        (PENENGAH, "Bagaimana dengan Turki?", "Siapa yang menjadi penengah pembicaraan Turki?"),
        (CLIMBERS, "And in 2015?", "How many people climbed Mount Tambora in 2015?"),
        (CLIMBERS, "And foreigners?", "How many foreigners climbed Mount Tambora in 2016?"),
        (WAGE, "Kalau Karawang?", "Berapa upah minimum di Karawang untuk tahun 2018?"),
        (WAGE, "Dan 2017?", "Berapa upah minimum di Kota Depok untuk tahun 2017?"),
        (GRAB, "Bagaimana dengan Uber?", "Siapa pendiri Uber?"),
        (CHIEF, "And the secretary general?", "Who is the secretary general of the CSTO joint staff?"),
        # A pronoun is spelt out.
        (TALKS, "How old is he?", "How old is Sergei Lavrov?"),
        (CHIEF, "What is his rank?", "What is Anatoly Sidorov's rank?"),
        (PENENGAH, "Dari mana dia berasal?", "Dari mana Sergei Lavrov berasal?"),
        (PENENGAH, "Apa jabatannya?", "Apa jabatan Sergei Lavrov?"),
        (PENENGAH, "Kapan pembicaraan itu digelar?", "Kapan pembicaraan Armenia–Azerbaijan digelar?"),
        (GRAB, "Siapa direkturnya?", "Siapa direktur Anthony Tan?"),
        (WAGE, "Siapa yang menetapkannya?", "Siapa yang menetapkan upah minimum di Kota Depok untuk tahun 2018?"),
        (CLIMBERS, "Where is it?", "Where is Mount Tambora?"),
        (FINAL, "Who won it?", "Who won the 2017 Korea Open men's singles final?"),
        (QUAKE, "How many people did it kill?", "How many people did the earthquake in Poso kill?"),
        (TOUR, "How many tickets did he sell?", "How many tickets did Paul McCartney sell?"),
        (TOUR, "Which venue there?", "Which venue in Auckland?"),
        # What a question that goes on does not say is added.
        (QUAKE, "And how many aftershocks followed?", "How many aftershocks followed in the earthquake in Poso?"),
    ],
)  # fmt: skip
def test_a_follow_up_takes_over_what_it_leaves_out(before: Exchange, question: str, expected: str) -> None:
    assert standalone(question, [before]) == expected
    # What came of it stands alone.
    assert standalone(expected, [before]) is None


@pytest.mark.parametrize(
    "question",
    [
        "Who founded Grab?",
        "Siapa pendiri Grab?",
        "When did Jokowi announce his cabinet?",
        "Kapan Jokowi mengumumkan kabinetnya?",
        "Is it true that Grab was sold?",
        "Apa yang sebenarnya terjadi di Poso?",
        "Apa fotosintesis itu?",
        "Apa itu stalakmit?",
        "Siapa itu Jokowi?",
        "Kapan terjadinya pembantaian di Irak?",
        "",
        "   ",
    ],
)
def test_a_question_that_stands_alone_is_left_alone(question: str) -> None:
    assert standalone(question, [TALKS]) is None
    assert standalone(question, []) is None


def test_nothing_is_a_follow_up_of_nothing() -> None:
    assert standalone("And when?", []) is None


def test_what_was_not_answered_or_at_length_is_someone() -> None:
    for answer in (None, "satu dua tiga empat lima enam tujuh delapan"):
        before = [Exchange(TALKS.question, answer)]
        assert (
            standalone("When?", before) == "When was it that someone mediated the Armenia–Azerbaijan talks?"
        )
    unanswered = [Exchange(PENENGAH.question, None)]
    assert standalone("Kapan?", unanswered) == "Kapan menjadi penengah pembicaraan Armenia–Azerbaijan?"


def test_a_long_question_says_what_it_is_about() -> None:
    question = "Apakah harga beras di pasar induk naik bulan ini sehingga banyak sekali warganya mengeluh?"
    assert standalone(question, [TALKS]) is None


def test_a_name_is_carried_on_from_further_back() -> None:
    before = [GRAB, Exchange("When did that happen?", None)]
    assert standalone("How old is he?", before) == "How old is Anthony Tan?"


def test_a_follow_up_without_words_of_a_language_has_that_of_the_question_before() -> None:
    assert standalone("Georgia?", [TALKS]) is None
    assert standalone("And Georgia?", [TALKS]) == "Who mediated the Georgia talks?"
    assert standalone("Dan Georgia?", [PENENGAH]) == "Siapa yang menjadi penengah pembicaraan Georgia?"


@given(st.text(max_size=60), st.text(max_size=60), st.none() | st.text(max_size=20))
def test_any_text_is_taken(question: str, before: str, answer: str | None) -> None:
    found = standalone(question, [Exchange(before, answer)])
    assert found is None or found.strip()
