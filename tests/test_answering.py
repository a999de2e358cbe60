"""From question to answer: what is quoted, when nothing is said, what a caller is told."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from conftest import HARBOUR, MATCH, RICE, WordEncoder, make_article, write_index

from qa.answering import MAX_QUESTION_CHARACTERS, QuestionAnswerer, check_question, compose
from qa.errors import InputError
from qa.index import NewsIndex
from qa.retriever import HybridRetriever
from qa.sentences import SentenceReader
from qa.types import LIKELY, SURE, Article, Candidate, Chunk, Filters, Hit, Place


@pytest.fixture
def answerer(tmp_path: Path, encoder: WordEncoder):
    articles = [
        make_article(HARBOUR, "pelabuhan.txt", title="Pelabuhan Tutup"),
        make_article(RICE, "beras.txt", published_at=date(2023, 5, 22)),
        make_article(MATCH, "final.txt", source="Lain"),
    ]
    write_index(tmp_path, articles, encoder)
    with NewsIndex.open(tmp_path, encoder.fingerprint) as index:
        yield QuestionAnswerer(index, HybridRetriever(index, encoder), SentenceReader(index.rarity))


def hit_of(article: Article) -> Hit:
    chunk = Chunk(f"{article.id}-0", article.id, 0, article.text, 0, len(article.text))
    return Hit(chunk, article, 1.0, "both")


@pytest.mark.parametrize(
    ("question", "path", "quote"),
    [
        (
            "Berapa harga beras per kilogram di Pasar Induk?",
            "beras.txt",
            "Harga beras naik menjadi Rp 14.500 per kilogram di Pasar Induk.",
        ),
        (
            "Mengapa Pelabuhan Tanjung Contoh ditutup?",
            "pelabuhan.txt",
            "Pelabuhan Tanjung Contoh ditutup sejak Senin karena gelombang setinggi empat meter.",
        ),
        (
            "Sampai kapan nelayan diminta tidak melaut?",
            "pelabuhan.txt",
            "Nelayan diminta tidak melaut sampai Kamis.",
        ),
    ],
)
def test_the_first_citation_is_the_sentence_that_answers(
    answerer: QuestionAnswerer, question: str, path: str, quote: str
) -> None:
    answer = answerer.ask(question)
    assert (answer.citations[0].article.path, answer.citations[0].quote) == (path, quote)
    assert answer.text is not None
    assert answer.text.startswith(quote)
    assert not answer.abstained


def test_every_quote_is_verbatim_at_its_offsets(answerer: QuestionAnswerer) -> None:
    for question in ("Berapa harga beras?", "Kapan nelayan melaut?", "Siapa memuji pertahanan tim?"):
        answer = answerer.ask(question)
        assert [citation.marker for citation in answer.citations] == list(range(1, len(answer.citations) + 1))
        for citation in answer.citations:
            assert citation.article.text[citation.start : citation.end] == citation.quote
        assert answer.text == (" ".join(citation.quote for citation in answer.citations) or None)


@pytest.mark.parametrize(
    "question", ["Siapa penemu mesin uap?", "What is the capital of Peru?", "Apa itu fotosintesis?"]
)
def test_off_topic_questions_abstain_and_still_show_the_nearest_passages(
    answerer: QuestionAnswerer, question: str
) -> None:
    answer = answerer.ask(question)
    assert answer.abstained
    assert (answer.text, answer.citations) == (None, ())
    assert 0 <= answer.confidence < 0.1
    assert answer.hits


def test_filters_reach_retrieval(answerer: QuestionAnswerer) -> None:
    answer = answerer.ask(
        "Berapa harga beras per kilogram di Pasar Induk?", filters=Filters(sources=("LAIN",))
    )
    assert {hit.article.path for hit in answer.hits} == {"final.txt"}
    assert answer.abstained


def test_an_archive_filtered_to_nothing_abstains(answerer: QuestionAnswerer) -> None:
    answer = answerer.ask("Berapa harga beras?", filters=Filters(date_to=date(1999, 1, 1)))
    assert (answer.text, answer.hits, answer.confidence) == (None, (), 0.0)


def test_what_a_writer_adds_is_seen_by_the_next_question(answerer: QuestionAnswerer) -> None:
    question = "Berapa tinggi menara pemancar di Bukit Contoh?"
    assert answerer.ask(question).abstained
    new = make_article("Menara pemancar di Bukit Contoh memiliki tinggi 80 meter.", "menara.txt")
    write_index(answerer.index.folder, [new], WordEncoder())
    assert answerer.ask(question).text == new.text


def test_batch_answers_in_order(answerer: QuestionAnswerer) -> None:
    questions = ["Berapa harga beras?", "Siapa penemu mesin uap?"]
    assert [answer.question for answer in answerer.batch(questions)] == questions


def test_timings_are_milliseconds_by_stage(answerer: QuestionAnswerer) -> None:
    timings = answerer.ask("Berapa harga beras?").timings
    assert list(timings) == ["encode", "dense", "lexical", "fuse", "read", "total"]
    assert timings["total"] >= max(value for name, value in timings.items() if name != "total")


def test_the_answer_is_the_bare_words_and_the_quote_their_sentence() -> None:
    article = make_article("Satu dua. Tiga empat lima. Enam.")
    hit = hit_of(article)
    answer = compose("q", "id", [Candidate(Place(hit, 15, 20), 0.9)], [hit], {}, 0.2)
    assert answer.text == "empat"
    assert [(one.quote, one.start, one.end) for one in answer.citations] == [("Tiga empat lima.", 10, 26)]


def test_other_places_that_say_the_same_are_cited_once_a_sentence() -> None:
    article, other = make_article("Ani pergi. Ani dan Budi pulang."), make_article("Kata Ani.", "b.txt")
    hit, second = hit_of(article), hit_of(other)
    places = (Place(hit, 11, 14), Place(hit, 11, 14), Place(second, 5, 8), Place(hit, 19, 23))
    answer = compose("q", "id", [Candidate(Place(hit, 0, 3), 0.9, places)], [hit, second], {}, 0.2)
    assert answer.text == "Ani"
    assert [one.quote for one in answer.citations] == ["Ani pergi.", "Ani dan Budi pulang.", "Kata Ani."]
    assert [one.marker for one in answer.citations] == [1, 2, 3]


def test_sentences_are_the_answer_together_each_with_its_citation() -> None:
    article = make_article("Satu dua. Tiga empat. Lima enam.")
    hit = hit_of(article)
    both = Candidate(Place(hit, 0, 9), 0.9, (Place(hit, 22, 32),), sentences=True)
    answer = compose("q", "id", [both], [hit], {}, 0.2)
    assert answer.text == "Satu dua. Lima enam."
    assert [one.quote for one in answer.citations] == ["Satu dua.", "Lima enam."]


def test_what_was_nearly_answered_is_an_alternative_with_its_own_proof() -> None:
    article = make_article("Ani pergi. Budi pulang. Cici tidur.")
    hit = hit_of(article)
    candidates = [
        Candidate(Place(hit, 0, 3), 0.8),
        Candidate(Place(hit, 11, 15), 0.5),
        Candidate(Place(hit, 24, 28), 0.1),
    ]
    answer = compose("q", "id", candidates, [hit], {}, 0.2)
    (other,) = answer.alternatives
    assert (other.text, other.confidence, other.citation.quote) == ("Budi", 0.5, "Budi pulang.")
    assert compose("q", "id", candidates, [hit], {}, 0.9).alternatives == ()


def test_sureness_is_said_in_a_word() -> None:
    hit = hit_of(make_article("Satu dua."))
    told = [
        compose("q", "id", [Candidate(Place(hit, 0, 4), confidence)], [hit], {}, 0.2).sureness
        for confidence in (SURE, SURE - 0.01, LIKELY, LIKELY - 0.01, 0.1)
    ]
    assert told == ["sure", "likely", "likely", "unsure", None]


def test_days_of_a_quote_are_worked_out_from_the_date_of_its_article() -> None:
    article = make_article("Rapat digelar Jumat (19/5).", published_at=date(2023, 5, 20))
    hit = hit_of(article)
    answer = compose("q", "id", [Candidate(Place(hit, 14, 26), 0.9)], [hit], {}, 0.2)
    (resolved,) = answer.citations[0].dates
    assert answer.citations[0].quote[resolved.start : resolved.end] == "Jumat (19/5)"
    assert resolved.day == date(2023, 5, 19)


def test_compose_refuses_below_the_threshold_and_keeps_the_confidence() -> None:
    article = make_article("Satu dua.")
    answer = compose("q", "id", [Candidate(Place(hit_of(article), 0, 9), 0.08)], [hit_of(article)], {}, 0.2)
    assert (answer.text, answer.confidence, answer.citations) == (None, 0.08, ())


def test_check_question() -> None:
    assert check_question("  Siapa\n  itu? ") == "Siapa itu?"
    for bad in ("", " \n\t", "x" * (MAX_QUESTION_CHARACTERS + 1)):
        with pytest.raises(InputError):
            check_question(bad)
