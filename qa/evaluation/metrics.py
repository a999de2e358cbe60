"""Predictions to figures. Pure functions on rows of ``predictions.jsonl``; docs/evaluation.md says what each means.

Knows rows; knows nothing of models, indexes or files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from embeddings.metrics import (
    RETRIEVAL_METRICS,
    Estimate,
    area_under_risk_coverage,
    estimate,
    mean,
    percentile,
    retrieval_scores,
)
from qa.evaluation.normalise import Rules, exact_match, f1, holds, normalise
from qa.evaluation.predictions import Row

RIGHT_F1 = 0.5
"""F1 from which an answer is right for the risk-coverage curve: a name without its title shares half its tokens."""

SLICES: dict[str, Callable[[Row], str]] = {
    "language": lambda row: str(row["lang"]),
    "answerability": lambda row: "answerable" if _is_answerable(row) else "unanswerable",
}


def compute_metrics(rows: Sequence[Row], rules: Rules = "indonesian") -> dict[str, Any]:
    """Return ``{name: {"value", "low", "high", "n"}}``, and the same by slice under ``"slices"``."""
    slices: dict[str, dict[str, Any]] = {}
    for kind, of in SLICES.items():
        groups: dict[str, list[Row]] = {}
        for row in rows:
            groups.setdefault(of(row), []).append(row)
        slices[kind] = {name: _as_json(_figures(groups[name], rules)) for name in sorted(groups)}
    return {**_as_json(_figures(rows, rules)), "slices": slices}


def is_right(row: Row, rules: Rules = "indonesian") -> bool:
    """Whether the best candidate answers, as ``answers_rightly`` judges it."""
    best, answers = row.get("best"), row.get("answers")
    return answers_rightly(best, answers, rules) if best and answers else False


def answers_rightly(text: str, answers: Sequence[str], rules: Rules = "indonesian") -> bool:
    """Whether ``text`` holds an answer word for word, or reaches F1 ``RIGHT_F1`` without another number than it."""
    return holds(text, answers, rules) or any(
        f1(text, [answer], rules) >= RIGHT_F1 and _numbers_agree(text, answer, rules) for answer in answers
    )


def _numbers_agree(text: str, answer: str, rules: Rules) -> bool:
    """Whether the numbers of one are among those of the other, and some are if the answer has any."""
    said, known = (
        {token for token in normalise(each, rules) if any(char.isdigit() for char in token)}
        for each in (text, answer)
    )
    return (said <= known or known <= said) and (not known or bool(said & known))


def _figures(rows: Sequence[Row], rules: Rules) -> dict[str, Estimate]:
    answered = [row for row in rows if row.get("answer") is not None]
    figures = _retrieval(rows)
    figures |= _answers([row for row in answered if row["answers"] is not None], rules)
    figures |= _citations([row for row in answered if not row["answer"]["abstained"]], rules)
    latencies = [row["latency_ms"] for row in rows]
    for share in (50, 95):
        figures[f"latency.p{share}_ms"] = estimate(percentile(share), latencies)
    return figures


def _retrieval(rows: Sequence[Row]) -> dict[str, Estimate]:
    # Rows are numbered, because ids are those of the set and a caller may join several.
    judged = [(str(number), row) for number, row in enumerate(rows) if row["relevant"]]
    relevant = {number: _relevant(row) for number, row in judged}
    rankings = {
        number: list(dict.fromkeys(_standing(row, place["article_id"]) for place in row["ranking"]))
        for number, row in judged
    }
    scores = retrieval_scores(rankings, relevant)
    return {
        f"retrieval.{metric}": estimate(mean, list(scores[metric].values())) for metric in RETRIEVAL_METRICS
    }


def _answers(rows: Sequence[Row], rules: Rules) -> dict[str, Estimate]:
    """Exact match, F1 and refusals, of rows whose answers are known; a refusal is the answer ""."""
    given = [(row["answer"]["answer"] or "", row["answers"]) for row in rows]
    refused: dict[bool, list[float]] = {True: [], False: []}
    for row in rows:
        refused[_is_answerable(row)].append(float(row["answer"]["abstained"]))
    confidence = [float(row["answer"]["confidence"]) for row in rows]
    loss = [1.0 - is_right(row, rules) for row in rows]
    return {
        "answer.exact_match": estimate(mean, [exact_match(text, golds, rules) for text, golds in given]),
        "answer.f1": estimate(mean, [f1(text, golds, rules) for text, golds in given]),
        "abstention.refused_unanswerable": estimate(mean, refused[False]),
        "abstention.refused_answerable": estimate(mean, refused[True]),
        "abstention.aurc": estimate(area_under_risk_coverage, confidence, loss),
    }


def _citations(rows: Sequence[Row], rules: Rules) -> dict[str, Estimate]:
    """Of answered questions: whether every quote is verbatim, one holds an answer, one is from a right article."""
    verbatim = [float(bool(row["verbatim"]) and all(row["verbatim"])) for row in rows]
    holding = [
        float(any(holds(citation["quote"], row["answers"], rules) for citation in row["answer"]["citations"]))
        for row in rows
        if row["answers"]
    ]
    right = [
        float(
            any(
                _standing(row, citation["article_id"]) in _relevant(row)
                for citation in row["answer"]["citations"]
            )
        )
        for row in rows
        if row["relevant"]
    ]
    return {
        "citation.verbatim": estimate(mean, verbatim),
        "citation.holds_answer": estimate(mean, holding),
        "citation.right_article": estimate(mean, right),
    }


def _standing(row: Row, article_id: str) -> str:
    """Return the id that stands for an article and its copies."""
    return str(row["copies"].get(article_id, article_id))


def _relevant(row: Row) -> dict[str, int]:
    grades: dict[str, int] = {}
    for article_id, grade in row["relevant"].items():
        standing = _standing(row, article_id)
        grades[standing] = max(grade, grades.get(standing, 0))
    return grades


def _is_answerable(row: Row) -> bool:
    return bool(row["answers"] or row["relevant"])


def _as_json(figures: Mapping[str, Estimate]) -> dict[str, Any]:
    return {name: asdict(figure) for name, figure in figures.items()}
