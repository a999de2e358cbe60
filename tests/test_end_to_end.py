"""The bundled sample with the bundled model: what a first user gets, from files to cited answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from embeddings.encoder import SentenceEncoder
from qa.answering import QuestionAnswerer
from qa.config import sample_folder
from qa.followups import Exchange, standalone
from qa.ingest import index_paths
from qa.types import Answer

QUESTIONS = [
    json.loads(line) for line in (sample_folder() / "questions.jsonl").read_text("utf-8").splitlines()
]

FOLLOW_UPS = Path(__file__).with_name("followups.jsonl")
"""A question, what is asked after it, and how somebody would put that who had not asked the first."""


@pytest.fixture(scope="module")
def answerer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuestionAnswerer]:
    folder = tmp_path_factory.mktemp("sample")
    index_paths([sample_folder()], folder, SentenceEncoder.load())
    with QuestionAnswerer.open(folder) as opened:
        yield opened


@pytest.fixture(scope="module")
def answers(answerer: QuestionAnswerer) -> dict[str, Answer]:
    return {row["id"]: answerer.ask(row["question"]) for row in QUESTIONS}


@pytest.mark.parametrize(
    "question",
    [
        "Who mediated the Armenia–Azerbaijan talks?",
        "Siapa yang menjadi penengah pembicaraan Armenia–Azerbaijan?",
        "Siapa yang menengahi pembicaraan Armenia dan Azerbaijan?",
    ],
)
def test_the_mission_s_question(answerer: QuestionAnswerer, question: str) -> None:
    first = answerer.ask(question).citations[0]
    assert first.article.path == "2023-05-19-rusia-tengahi-armenia-azerbaijan.txt"
    assert "Sergei Lavrov memediasi pembicaraan" in first.quote
    assert (first.article.source, str(first.article.published_at)) == ("Contoh", "2023-05-19")


def test_follow_ups_are_answered_as_their_standalone_forms_are(answerer: QuestionAnswerer) -> None:
    rows = [json.loads(line) for line in FOLLOW_UPS.read_text("utf-8").splitlines()]
    differing = []
    for row in rows:
        before = Exchange(row["before"], answerer.ask(row["before"]).text)
        made = standalone(row["question"], [before]) or row["question"]
        found, wanted = answerer.ask(made).text, answerer.ask(row["standalone"]).text
        if found != wanted:
            differing.append((made, found, wanted))
    assert len(rows) == 20
    assert len(differing) <= 4, differing


@pytest.mark.parametrize(
    "question",
    [
        "What is the capital of Peru?",
        "Who invented the steam engine?",
        "How do I bake bread?",
        "Siapa penemu mesin uap?",
        "Bagaimana cara membuat roti?",
        "Apa itu fotosintesis?",
    ],
)
def test_off_topic_questions_abstain(answerer: QuestionAnswerer, question: str) -> None:
    assert answerer.ask(question).abstained


def test_the_language_of_every_question_is_told(answers: dict[str, Answer]) -> None:
    assert [row["id"] for row in QUESTIONS if answers[row["id"]].language != row["lang"]] == []


@pytest.mark.parametrize("language", ["en", "id"])
def test_the_right_article_is_among_the_first_five(answers: dict[str, Answer], language: str) -> None:
    asked = [row for row in QUESTIONS if row["lang"] == language and row["article"]]
    missed = [
        row["question"]
        for row in asked
        if row["article"] not in [hit.article.path for hit in answers[row["id"]].hits]
    ]
    assert len(missed) <= 0.1 * len(asked), missed


def test_every_quote_is_verbatim(answers: dict[str, Answer]) -> None:
    for answer in answers.values():
        for citation in answer.citations:
            assert citation.article.text[citation.start : citation.end] == citation.quote
        for hit in answer.hits:
            assert hit.article.text[hit.chunk.start : hit.chunk.end] == hit.chunk.text
