"""Figures and rankings as text: a table, ``report.md``, ``run.trec``. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from qa.evaluation.archive import run_name
from qa.evaluation.metrics import is_right
from qa.evaluation.normalise import Rules
from qa.evaluation.predictions import Row
from qa.output import printable

_EXPLAINED = {
    "retrieval.ndcg@10": "right articles near the top of ten",
    "retrieval.recall@1": "right articles found first",
    "retrieval.recall@5": "right articles among five",
    "retrieval.mrr@10": "1 / rank of the first right article",
    "answer.exact_match": "answer equal to a known one; a refusal where there is none",
    "answer.f1": "words shared with a known answer",
    "abstention.refused_unanswerable": "refused, where the archive does not say",
    "abstention.refused_answerable": "refused, where it does (lower is better)",
    "abstention.aurc": "wrong answers among the more confident (lower is better)",
    "citation.verbatim": "answers whose quotes all stand in their article",
    "citation.holds_answer": "answers with a quote that holds a known answer",
    "citation.right_article": "answers with a quote from a right article",
    "latency.p50_ms": "milliseconds a question, half",
    "latency.p95_ms": "milliseconds a question, 19 of 20",
}
_SHOWN_MISTAKES = 20


def table(metrics: Mapping[str, Any]) -> str:
    """Return the figures for a terminal, one a line, with interval and number of questions."""
    width = max(map(len, _EXPLAINED))
    return "\n".join(
        f"{name:<{width}}  {_value(name, figure):>7}  {_interval(name, figure):<17} "
        f"n={figure['n']:<6} {_EXPLAINED[name]}"
        for name, figure in _flat(metrics).items()
        if figure["n"]
    )


def report(metrics: Mapping[str, Any], rows: Sequence[Row], run: Mapping[str, Any], rules: Rules) -> str:
    """Return ``report.md``: what was run, the figures by slice, and the first questions that went wrong."""
    slices = [(name, values) for kind in metrics["slices"].values() for name, values in sorted(kind.items())]
    lines = [
        "# Evaluation",
        "",
        f"System `{run['system']}`, {len(rows)} questions, the {run['k']} best passages read, index "
        f"`{run['index']}` at generation {run['generation']}, model `{run['model'].get('name')}`, "
        f"answers compared by the {rules} rules. 95 % intervals by bootstrap in brackets, n questions.",
        "",
        "| | all | " + " | ".join(name for name, _ in slices) + " | |",
        "|---|" + "---:|" * (len(slices) + 1) + "---|",
    ]
    for name, figure in _flat(metrics).items():
        if figure["n"]:
            cells = [_cell(name, figure), *(_cell(name, values[name]) for _, values in slices)]
            lines.append(f"| `{name}` | {' | '.join(cells)} | {_EXPLAINED[name]} |")
    for title, wrong in _mistakes(rows, rules):
        lines += ["", f"## {title}: {len(wrong)}", ""]
        lines += [
            f"- `{row['id']}` {_inline(row['question'])} → {_inline(_said(row))}"
            for row in wrong[:_SHOWN_MISTAKES]
        ]
        if len(wrong) > _SHOWN_MISTAKES:
            lines.append(f"- … and {len(wrong) - _SHOWN_MISTAKES} more in predictions.jsonl")
    return "\n".join(lines) + "\n"


def trec_lines(rows: Sequence[Row], tag: str) -> Iterator[str]:
    """Yield the lines of ``run.trec``. Scores count down from 0, because trec_eval would reorder equal ones."""
    for row in rows:
        for rank, place in enumerate(row["ranking"], start=1):
            yield f"{run_name(row['id'])} Q0 {place['document']} {rank} {1 - rank} {tag}\n"


def _flat(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {name: figure for name, figure in metrics.items() if name != "slices"}


def _mistakes(rows: Sequence[Row], rules: Rules) -> Iterator[tuple[str, list[Row]]]:
    known = [row for row in rows if row.get("answer") and row["answers"] is not None]
    refused = [row for row in known if row["answer"]["abstained"]]
    answered = [row for row in known if not row["answer"]["abstained"]]
    yield (
        "Answered without the answer",
        [row for row in answered if row["answers"] and not is_right(row, rules)],
    )
    yield "Answered though the archive does not say", [row for row in answered if not row["answers"]]
    yield "Refused though the archive says", [row for row in refused if row["answers"]]


def _said(row: Row) -> str:
    given = row["answer"]["answer"] or "(refused)"
    return f"{given} (known: {row['answers'][0]})" if row["answers"] else str(given)


def _inline(text: str) -> str:
    """Return ``text`` on one line, without what Markdown or HTML would take for markup."""
    line = printable(" ".join(text.split()))
    return "".join(f"\\{char}" if char in "\\`*_{}[]<>#|!~&" else char for char in line)


def _number(name: str, value: float) -> str:
    return f"{value:.1f}" if name.startswith("latency.") else f"{value:.3f}"


def _value(name: str, figure: Mapping[str, Any]) -> str:
    return _number(name, figure["value"])


def _interval(name: str, figure: Mapping[str, Any]) -> str:
    if figure["low"] is None:
        return ""
    return f"[{_number(name, figure['low'])}, {_number(name, figure['high'])}]"


def _cell(name: str, figure: Mapping[str, Any]) -> str:
    if not figure["n"]:
        return "–"
    return f"{_value(name, figure)} {_interval(name, figure)} n={figure['n']}"
