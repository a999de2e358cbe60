"""What kind of answer a question wants, told by its wording."""

from __future__ import annotations

import pytest

from qa.questions import kind_of


@pytest.mark.parametrize(
    "question",
    [
        "Why did the ministers leave without a declaration?",
        "How do people usually catch leptospirosis?",
        "Please explain how the subsidy works",
        "Could you tell me about the eruption?",
        "What happened in Yerevan?",
        "What led to the strike?",
    ],
)
def test_english_explanations(question: str) -> None:
    assert kind_of(question, "en") == "explanation"


@pytest.mark.parametrize(
    "question",
    [
        "Mengapa pesanan meterai berkurang?",
        "kenapa harga naik",
        "Bagaimanakah cara penularannya?",
        "Tolong jelaskan program itu",
        "Apa yang terjadi di Yerevan?",
        "Apa alasan penundaan itu?",
        "Harga beras naik, mengapa?",
    ],
)
def test_indonesian_explanations(question: str) -> None:
    assert kind_of(question, "id") == "explanation"


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("Did Armenia lose soldiers?", "en"),
        ("Isn't the harbour closed?", "en"),
        ("Is the price of rice rising?", "en"),
        ("Apakah Armenia kehilangan tentara?", "id"),
        ("Apakah sudah ada kesepakatan?", "id"),
        ("Benarkah harga beras naik?", "id"),
        ("Apakah masih ada nelayan yang melaut?", "id"),
    ],
)
def test_questions_for_a_yes_or_no(question: str, language: str) -> None:
    assert kind_of(question, language) == "yes_no"


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("Who mediated the talks?", "en"),
        ("How many soldiers were lost?", "en"),
        ("How long did it take?", "en"),
        ("In which city will they meet?", "en"),
        ("When was it why not", "en"),
        ("Whose island is it?", "en"),
        ("Siapa yang menengahi?", "id"),
        ("Apakah nama ibu kota Armenia?", "id"),
        ("Apakah yang dimaksud dengan inflasi?", "id"),
        ("Apakah ibukota Jepang?", "id"),
        ("Apakah NATO itu?", "id"),
        ("Apa itu inflasi?", "id"),
        ("Adakalanya disebut apa?", "id"),
        ("Berapa harga beras?", "id"),
        ("Kapan?", "id"),
        ("", "id"),
    ],
)
def test_everything_else_asks_for_a_fact(question: str, language: str) -> None:
    assert kind_of(question, language) == "fact"
