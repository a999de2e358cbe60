"""What a person at a terminal and a program read."""

from __future__ import annotations

import json
from datetime import date

from conftest import RICE, make_article

from qa.output import answer_as_json, answer_as_text, heading, hits_as_text, printable
from qa.types import Alternative, Answer, Chunk, Citation, Hit, ResolvedDate

ARTICLE = make_article(
    RICE, "beras.txt", title="Harga Beras Naik", published_at=date(2023, 5, 22), external_id="d7"
)
QUOTE = RICE[:63]
HIT = Hit(Chunk(f"{ARTICLE.id}-0", ARTICLE.id, 0, RICE, 0, len(RICE)), ARTICLE, 0.03, "both")
ANSWER = Answer(
    "Berapa harga beras?",
    "id",
    QUOTE,
    0.712345,
    (Citation(1, ARTICLE, 0, 63, QUOTE),),
    (HIT,),
    {"total": 1.234},
)


def test_json_round_trips_and_names_everything() -> None:
    written = json.loads(json.dumps(answer_as_json(ANSWER)))
    assert written["answer"] == QUOTE == "Harga beras naik menjadi Rp 14.500 per kilogram di Pasar Induk."
    assert (written["confidence"], written["timings_ms"]) == (0.7123, {"total": 1.23})
    assert written["passages"][0]["external_id"] == "d7"
    assert (
        RICE[written["passages"][0]["start"] : written["passages"][0]["end"]]
        == written["passages"][0]["text"]
    )


def test_text_shows_a_sentence_once_with_its_article() -> None:
    assert answer_as_text(ANSWER).splitlines() == [
        f"{QUOTE} [1]",
        "(mungkin, keyakinan 71%)",
        "",
        "[1] Harga Beras Naik · Contoh · 2023-05-22 · beras.txt",
    ]


def test_text_shows_the_quote_that_a_shorter_answer_stands_in() -> None:
    short = Answer("Berapa?", "id", "Rp 14.500", 0.9, ANSWER.citations, (HIT,))
    assert answer_as_text(short).splitlines() == [
        "Rp 14.500",
        "(yakin, keyakinan 90%)",
        "",
        "[1] Harga Beras Naik · Contoh · 2023-05-22 · beras.txt",
        f"    “{QUOTE}”",
    ]


def test_a_refusal_says_so_in_the_question_s_language_and_shows_the_nearest() -> None:
    refused = Answer("Who?", "en", None, 0.01, (), (HIT,))
    assert answer_as_text(refused).startswith(
        "The archive does not say.\n\nThe nearest passages:\n\n1. Harga Beras Naik"
    )
    assert answer_as_text(Answer("Siapa?", "id", None, 0.0, (), ())).endswith(
        "Tidak ada bagian yang ditemukan."
    )


def test_heading_marks_inferred_and_missing_dates() -> None:
    inferred = make_article(RICE, date_inferred=True)
    assert heading(inferred, "en") == "Contoh · 2023-05-19 (year inferred) · a.txt"
    assert heading(make_article(RICE, published_at=None), "id") == "Contoh · tanpa tanggal · a.txt"


def test_control_and_direction_characters_become_visible() -> None:
    assert printable("a\x1b[2Jb\x9bc\u202ed\u2028e\x00") == "a\ufffd[2Jb\ufffdc\ufffdd\ufffde\ufffd"
    assert printable("tab\tbaris\nbaru “kutipan” é 👩‍🌾") == "tab\tbaris\nbaru “kutipan” é 👩‍🌾"
    hostile = make_article("Teks", title="\x1b]0;x\x07", path="\x1b.txt")
    hit = Hit(Chunk("x-0", "x", 0, "\x1b[31mTeks", 0, 4), hostile, 1.0, "dense")
    assert "\x1b" not in hits_as_text([hit], "en")


def test_alternatives_and_days_are_shown_marked_as_what_they_are() -> None:
    article = make_article("Rapat digelar Jumat (19/5). Ani hadir.", "rapat.txt")
    quote = article.text[:27]
    citation = Citation(1, article, 0, 27, quote, (ResolvedDate(14, 26, date(2023, 5, 19)),))
    other = Alternative("Ani\x1b[2J", 0.25, Citation(1, article, 28, 38, article.text[28:]))
    answer = Answer("When?", "en", "Jumat (19/5)", 0.4, (citation,), (HIT,), {}, (other,))
    shown = answer_as_text(answer)
    assert "(unsure, confidence 40%)" in shown
    assert "    Jumat (19/5) = 2023-05-19 (worked out)" in shown
    assert "Or, less likely:\nAni\N{REPLACEMENT CHARACTER}[2J (25%)\n" in shown
    written = answer_as_json(answer)
    assert written["sureness"] == "unsure"
    assert written["citations"][0]["dates"] == [{"text": "Jumat (19/5)", "date": "2023-05-19"}]
    assert [(one["answer"], one["confidence"]) for one in written["alternatives"]] == [("Ani\x1b[2J", 0.25)]
    assert written["alternatives"][0]["citation"]["quote"] == "Ani hadir."
    assert answer_as_json(Answer("When?", "en", None, 0.1, (), (HIT,)))["sureness"] is None
