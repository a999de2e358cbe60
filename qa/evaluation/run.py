"""A system asked every question of a set, resumably: questions and index to ``predictions.jsonl``.

Knows systems and rows; what they are worth is computed from the rows alone, in ``qa.evaluation.metrics``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qa.answering import QuestionAnswerer
from qa.errors import InputError
from qa.evaluation import SystemName
from qa.evaluation.archive import Names
from qa.evaluation.predictions import Row, appending, resume
from qa.evaluation.questions import Question, QuestionSet
from qa.output import answer_as_json
from qa.retriever import POOL
from qa.types import Answer, Candidate, Hit

DEPTH = 100
"""Passages of the ranking that is recorded. Both legs give ``POOL`` each, so this is all that is ranked."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What is run: the system, the passages it reads, whether it only retrieves, and on how many questions."""

    system: SystemName = "tanya"
    k: int = 5
    retrieval_only: bool = False
    limit: int | None = None


def describe_run(
    questions: QuestionSet, answerer: QuestionAnswerer, settings: RunSettings, version: str
) -> dict[str, Any]:
    """Return what makes two runs the same, as ``run.json`` keeps it."""
    store = answerer.index.store
    return {
        "questions": questions.digest,
        "index": store.meta("identity"),
        "generation": answerer.index.generation,
        "model": store.fingerprint(),
        "dense_weights": dict(answerer.retriever.dense_weights),
        "thresholds": dict(answerer.thresholds),
        **asdict(settings),
        "version": version,
    }


def run_questions(
    questions: QuestionSet,
    answerer: QuestionAnswerer,
    settings: RunSettings,
    folder: Path,
    version: str,
    done: Callable[[int], None] = lambda count: None,
) -> int:
    """Ask what has not been asked yet and add it to the predictions in ``folder``; return how many that was.

    ``done`` is told how many more questions are done, first of all those of an earlier run.

    Raises:
        InputError: ``folder`` holds another run, or the index was changed under way.
    """
    asked = questions.questions[: settings.limit]
    run = describe_run(questions, answerer, settings, version)
    finished = resume(folder, run, [question.id for question in asked])
    done(len(finished))
    names = Names.of(answerer.index.store)
    with appending(folder) as predictions:
        for question in asked[len(finished) :]:
            row = predict(question, answerer, settings, names)
            if answerer.index.generation != run["generation"]:
                raise InputError(
                    f"the index in {answerer.index.folder} was changed during the evaluation. Run it again when "
                    f"nothing writes to it, with another --out than {folder}"
                )
            predictions.write(row)
            done(1)
    return len(asked) - len(finished)


def predict(question: Question, answerer: QuestionAnswerer, settings: RunSettings, names: Names) -> Row:
    """Ask one question; return its row: see docs/evaluation.md for the fields."""
    row: Row = {
        "id": question.id,
        "question": question.text,
        "lang": question.language,
        "answers": None if question.answers is None else list(question.answers),
        "articles": dict(question.articles),
        "relevant": names.relevant(question),
    }
    if settings.retrieval_only:
        retrieved = answerer.retriever.retrieve(question.text, k=settings.k)
        row["latency_ms"] = round(sum(retrieved.timings.values()), 2)
    else:
        found = answerer.find(question.text, k=settings.k)
        answer = answerer.decide(found)
        row["answer"] = answer_as_json(answer)
        row["verbatim"] = _verbatim(answer, answerer)
        row["best"] = _text_of(found.candidates)
        row["latency_ms"] = row["answer"]["timings_ms"]["total"]
    # Apart from the answer, so that its time is the user's; the same pool makes its head the passages read.
    deep = answerer.retriever.retrieve(question.text, k=DEPTH, pool=max(POOL, settings.k))
    row["ranking"] = _ranking(deep.hits, question, names)
    row["copies"] = _copies(row["relevant"], deep.hits, answerer)
    return row


def _verbatim(answer: Answer, answerer: QuestionAnswerer) -> list[bool]:
    """Whether each quote stands in its article as the store has it, where the citation says."""
    stored = answerer.index.store.articles([citation.article.id for citation in answer.citations])
    return [
        citation.article.id in stored
        and stored[citation.article.id].text[citation.start : citation.end] == citation.quote
        for citation in answer.citations
    ]


def _text_of(candidates: Sequence[Candidate]) -> str | None:
    """Return what would be answered if nothing were refused."""
    return candidates[0].text if candidates else None


def _copies(relevant: Iterable[str], hits: Sequence[Hit], answerer: QuestionAnswerer) -> dict[str, str]:
    """Return which articles have the very text of a right one, with the id that stands for all of them.

    Retrieval shows one of several copies, and it may be another than the one a question set names.
    """
    stored = answerer.index.store.articles(sorted(relevant))
    standing: dict[str, str] = {}
    for article_id in sorted(stored):
        standing.setdefault(stored[article_id].text, article_id)
    texts = {article_id: article.text for article_id, article in stored.items()}
    texts |= {hit.article.id: hit.article.text for hit in hits}
    return {
        article_id: standing[text]
        for article_id, text in texts.items()
        if standing.get(text, article_id) != article_id
    }


def _ranking(hits: Sequence[Hit], question: Question, names: Names) -> list[dict[str, Any]]:
    """Return the articles of ``hits``, each once, where its first passage stands."""
    first = {hit.article.id: hit for hit in reversed(hits)}
    order = dict.fromkeys(hit.article.id for hit in hits)
    return [
        {
            "article_id": article_id,
            "external_id": first[article_id].article.external_id,
            "path": first[article_id].article.path,
            "document": names.document_name(article_id, question),
            "score": first[article_id].score,
        }
        for article_id in order
    ]
