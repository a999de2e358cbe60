"""Answers and hits as JSON and as text for a terminal.

Pure functions. Article text is hostile: what could drive a terminal is shown as a visible sign.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from qa.types import Answer, Article, Citation, Hit, Language

WIDTH = 100

_WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "refused": "The archive does not say.",
        "nearest": "The nearest passages:",
        "found": "Passages:",
        "nothing": "No passage was found.",
        "undated": "undated",
        "inferred": "year inferred",
        "confidence": "confidence",
        "sure": "sure",
        "likely": "likely",
        "unsure": "unsure",
        "alternative": "Or, less likely:",
        "resolved": "worked out",
    },
    "id": {
        "refused": "Arsip tidak menyebutkannya.",
        "nearest": "Bagian yang paling dekat:",
        "found": "Bagian:",
        "nothing": "Tidak ada bagian yang ditemukan.",
        "undated": "tanpa tanggal",
        "inferred": "tahun disimpulkan",
        "confidence": "keyakinan",
        "sure": "yakin",
        "likely": "mungkin",
        "unsure": "ragu",
        "alternative": "Atau, kurang mungkin:",
        "resolved": "disimpulkan",
    },
}


def answer_as_json(answer: Answer) -> dict[str, Any]:
    """Return the object that ``tanya ask --json`` prints."""
    return {
        "question": answer.question,
        "language": answer.language,
        "answer": answer.text,
        "abstained": answer.abstained,
        "confidence": round(answer.confidence, 4),
        "sureness": answer.sureness,
        "citations": [_citation_as_json(citation) for citation in answer.citations],
        "alternatives": [
            {
                "answer": other.text,
                "confidence": round(other.confidence, 4),
                "citation": _citation_as_json(other.citation),
            }
            for other in answer.alternatives
        ],
        "passages": hits_as_json(answer.hits),
        "timings_ms": {name: round(value, 2) for name, value in answer.timings.items()},
    }


def hits_as_json(hits: Sequence[Hit]) -> list[dict[str, Any]]:
    """Return the ``passages`` of ``tanya ask --json`` and ``tanya search --json``."""
    return [
        {
            "article_id": hit.article.id,
            "external_id": hit.article.external_id,
            "chunk_id": hit.chunk.id,
            "path": hit.article.path,
            "score": hit.score,
            "ranks": {"dense": hit.ranks.dense, "lexical": hit.ranks.lexical, "fused": hit.ranks.fused},
            "start": hit.chunk.start,
            "end": hit.chunk.end,
            "text": hit.chunk.text,
        }
        for hit in hits
    ]


def answer_as_text(answer: Answer) -> str:
    """Return the answer for a reader at a terminal, in the question's language."""
    words = _WORDS[answer.language]
    if answer.text is None:
        return "\n".join([words["refused"], "", *_passages(answer.hits[:3], answer.language, "nearest")])
    # Whole sentences are their own quotes: they are not said twice.
    is_quoted = answer.text == " ".join(citation.quote for citation in answer.citations)
    marked = " ".join(f"{citation.quote} [{citation.marker}]" for citation in answer.citations)
    lines = [*_wrapped(marked if is_quoted else answer.text)]
    sureness = words[answer.sureness or "unsure"]
    lines += [f"({sureness}, {words['confidence']} {answer.confidence:.0%})", ""]
    for citation in answer.citations:
        lines.append(f"[{citation.marker}] {heading(citation.article, answer.language)}")
        if not is_quoted:
            lines += _wrapped(f"“{citation.quote}”", indent="    ")
        lines += _dates(citation, words["resolved"])
    for other in answer.alternatives:
        lines += ["", words["alternative"], *_wrapped(f"{other.text} ({other.confidence:.0%})")]
        lines.append(f"    {heading(other.citation.article, answer.language)}")
        lines += _wrapped(f"“{other.citation.quote}”", indent="    ")
    return "\n".join(lines)


def _dates(citation: Citation, resolved: str) -> list[str]:
    return [
        f"    {printable(citation.quote[one.start : one.end])} = {one.day.isoformat()} ({resolved})"
        for one in citation.dates
    ]


def hits_as_text(hits: Sequence[Hit], language: Language) -> str:
    """Return passages for a reader at a terminal, best first."""
    return "\n".join(_passages(hits, language, "found"))


def heading(article: Article, language: Language) -> str:
    """Return one line that tells an article: headline, outlet, date, path."""
    words = _WORDS[language]
    when = article.published_at.isoformat() if article.published_at else words["undated"]
    if article.date_inferred:
        when += f" ({words['inferred']})"
    parts = [article.title, article.source, when, article.path]
    return " · ".join(printable(part) for part in parts if part)


def printable(text: str) -> str:
    """Return ``text`` with control and direction-changing characters replaced by a visible sign."""
    return "".join("\N{REPLACEMENT CHARACTER}" if _drives_terminal(char) else char for char in text)


def _drives_terminal(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and char not in "\n\t\u200d"


def _passages(hits: Sequence[Hit], language: Language, title: str) -> Iterator[str]:
    words = _WORDS[language]
    if not hits:
        yield words["nothing"]
        return
    yield words[title]
    for number, hit in enumerate(hits, start=1):
        yield ""
        yield f"{number}. {heading(hit.article, language)}"
        yield from _wrapped(hit.chunk.text, indent="   ")


def _wrapped(text: str, indent: str = "") -> list[str]:
    lines = printable(text).splitlines()
    return [
        part
        for line in lines
        for part in textwrap.wrap(line, WIDTH, initial_indent=indent, subsequent_indent=indent)
    ]


def _citation_as_json(citation: Citation) -> dict[str, Any]:
    article = citation.article
    return {
        "marker": citation.marker,
        "article_id": article.id,
        "title": article.title,
        "source": article.source,
        "published_at": article.published_at.isoformat() if article.published_at else None,
        "path": article.path,
        "start": citation.start,
        "end": citation.end,
        "quote": citation.quote,
        "dates": [
            {"text": citation.quote[one.start : one.end], "date": one.day.isoformat()}
            for one in citation.dates
        ],
    }
