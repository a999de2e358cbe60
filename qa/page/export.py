"""An answer as a document of its own, to be kept or passed on: Markdown or HTML, with its quotes and where they stand.

Article text is hostile here too: what it holds of markup becomes text, and only links to the web are links.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from qa.page.render import escape, headline, nearest_hits, outlet_and_date, resolved_dates, safe_url
from qa.page.strings import strings_for
from qa.types import Answer, Article

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~&$!^])")
_LIST_ITEM = re.compile(r"^(\d*)([-+=.)])")
"""What begins a list or underlines a heading; a digit cannot be escaped, the sign after it can."""
_STYLE = (
    "body{max-width:42rem;margin:2rem auto;padding:0 1rem;font:1rem/1.6 Georgia,serif}"
    "blockquote{margin:.5rem 0;padding-left:1rem;border-left:3px solid #0f766e}"
    "h1{font-size:1.4rem}h2{font-size:1.1rem}.answer{font-size:1.2rem}.note{color:#555}"
)


@dataclass(frozen=True, slots=True)
class _Source:
    """A passage of the document: ``label`` is its marker, empty for one that proves nothing."""

    label: str
    article: Article
    text: str
    notes: tuple[str, ...]


def as_markdown(answer: Answer) -> str:
    """Write an answer as CommonMark: question, answer, quotes with headline, outlet, date, link and file."""
    words = strings_for(answer.language)
    lines = [
        f"# {_markdown(answer.question)}",
        "",
        _markdown(_said(answer)),
        "",
        f"## {_sources_title(answer)}",
    ]
    for source in _sources(answer):
        about = f"{source.label}**{_markdown(headline(source.article, words))}**, "
        about += _markdown(outlet_and_date(source.article, answer.language))
        if url := safe_url(source.article.url):
            about += f", <{url}>"
        lines += ["", about, "", f"> {_markdown(source.text)}"]
        lines += [text for note in source.notes for text in ("", _markdown(note))]
        lines += ["", f"{words.file}: {_markdown(source.article.path)}"]
    return "\n".join(lines) + "\n"


def as_html(answer: Answer) -> str:
    """Write the same as a page that needs nothing else and runs nothing."""
    words = strings_for(answer.language)
    parts = []
    for source in _sources(answer):
        link = ""
        if url := safe_url(source.article.url):
            link = f', <a href="{escape(url)}" rel="noopener noreferrer nofollow">{escape(words.open_source)}</a>'
        notes = "".join(f'<p class="note">{escape(note)}</p>' for note in source.notes)
        parts.append(
            f'<section><p>{source.label}<strong dir="auto">{escape(headline(source.article, words))}</strong>, '
            f"<bdi>{escape(outlet_and_date(source.article, answer.language))}</bdi>{link}</p>"
            f'<blockquote dir="auto">{escape(source.text)}</blockquote>{notes}'
            f'<p class="note">{escape(words.file)}: <bdi>{escape(source.article.path)}</bdi></p></section>'
        )
    return (
        f'<!DOCTYPE html>\n<html lang="{answer.language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(answer.question)}</title><style>{_STYLE}</style></head><body>"
        f'<h1 dir="auto">{escape(answer.question)}</h1><p class="answer" dir="auto">{escape(_said(answer))}</p>'
        f"<h2>{escape(_sources_title(answer))}</h2>{''.join(parts)}</body></html>\n"
    )


def _said(answer: Answer) -> str:
    words = strings_for(answer.language)
    if answer.text is None:
        return words.refused
    return answer.text + "".join(f" [{one.marker}]" for one in answer.citations)


def _sources_title(answer: Answer) -> str:
    words = strings_for(answer.language)
    return words.nearest if answer.abstained else words.evidence


def _sources(answer: Answer) -> Iterator[_Source]:
    if answer.abstained:
        for hit in nearest_hits(answer.hits):
            yield _Source("", hit.article, _one_line(hit.chunk.text), ())
    for citation in answer.citations:
        notes = tuple(resolved_dates(citation, answer.language))
        yield _Source(f"[{citation.marker}] ", citation.article, _one_line(citation.quote), notes)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _markdown(text: str) -> str:
    """Make text inert in Markdown, whose renderers let HTML pass; else as ``escape``."""
    sendable = _one_line(text).encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")
    return _LIST_ITEM.sub(r"\1\\\2", _MARKDOWN.sub(r"\\\1", sendable))
