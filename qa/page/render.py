"""Evidence as HTML: cards, highlighted passages and the article they come from.

Pure functions of answers to markup. Article text, file names, outlets, links and questions are hostile until
``escape`` has made text of them; that happens here, where they are put out, and nowhere earlier. The page's
component inserts this markup as it is, so no other layer would catch an omission.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from qa.page.strings import Strings, long_date, strings_for
from qa.types import Answer, Article, Citation, Hit, Language

CONTEXT_CHARACTERS = 220
"""How much of the article a card shows on each side of the quote."""

ARTICLE_CHARACTERS = 40_000
"""The longest stretch of one article that is put on the page; news stays far below it."""

NEAREST_SHOWN = 3
"""How many passages a refusal lists."""

_UNSAFE_IN_URL = re.compile(r"[\s\x00-\x20\x7f\\<>\"'`]")
_SPACE = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch ``text[start:end]`` of an article; ``cut_*`` say whether words were left out on that side."""

    start: int
    end: int
    cut_before: bool
    cut_after: bool


def escape(text: str) -> str:
    """Make text inert in HTML, in elements and in quoted attributes.

    Unpaired surrogates cannot be sent as UTF-8 and become ``?``; NUL, which HTML forbids, becomes U+FFFD.
    """
    sendable = text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")
    return html.escape(sendable, quote=True)


def safe_url(url: str | None) -> str | None:
    """Return a link a reader may follow: http or https with a host, nothing else; otherwise ``None``."""
    if url is None:
        return None
    url = url.strip()
    if not url or _UNSAFE_IN_URL.search(url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.hostname else None


def passage_around(text: str, start: int, end: int, context: int = CONTEXT_CHARACTERS) -> Passage:
    """Choose what to show around ``text[start:end]``: up to ``context`` characters a side, whole words."""
    first = max(0, start - context)
    while 0 < first < start and not _SPACE.match(text[first - 1]):
        first += 1
    while first < start and _SPACE.match(text[first]):
        first += 1
    return _passage(text, first, _word_end(text, end, end + context))


def _passage(text: str, start: int, end: int) -> Passage:
    return Passage(start, end, bool(text[:start].strip()), bool(text[end:].strip()))


def _word_end(text: str, least: int, most: int) -> int:
    """The last position from ``least`` to ``most`` that ends a word of ``text``, or ``least``."""
    last = min(len(text), most)
    while least < last < len(text) and not _SPACE.match(text[last]):
        last -= 1
    while last > least and _SPACE.match(text[last - 1]):
        last -= 1
    return last


def highlighted(
    text: str, start: int, end: int, marks: Iterable[tuple[int, int]], *, focus: int | None = None
) -> str:
    """Write ``text[start:end]`` as paragraphs with the ``marks`` in ``<mark>``.

    Args:
        text: the whole article.
        start: first character shown, in characters of ``text``.
        end: one past the last character shown.
        marks: (start, end) pairs in characters of ``text``; they may overlap and cross paragraphs.
        focus: the start of the mark to bring into view, which can then take the keyboard focus.
    """
    merged = _merge(marks)
    paragraphs = []
    focused = False
    for match in re.finditer(r"[^\n]+", text[start:end]):
        low, high = start + match.start(), start + match.end()
        if not text[low:high].strip():
            continue
        pieces, position = [], low
        for mark_start, mark_end in merged:
            inner_start, inner_end = max(mark_start, low), min(mark_end, high)
            if inner_start >= inner_end:
                continue
            takes_focus = focus is not None and not focused and mark_start <= focus < mark_end
            focused = focused or takes_focus
            opening = '<mark tabindex="-1">' if takes_focus else "<mark>"
            pieces.append(escape(text[position:inner_start]))
            pieces.append(f"{opening}{escape(text[inner_start:inner_end])}</mark>")
            position = inner_end
        pieces.append(escape(text[position:high]))
        paragraphs.append(f"<p>{''.join(pieces)}</p>")
    return "".join(paragraphs)


def _merge(marks: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(marks):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def outlet_and_date(article: Article, language: Language) -> str:
    """Return plain text such as ``Contoh, 19 May 2023``, saying what is not known or was inferred."""
    words = strings_for(language)
    outlet = article.source or words.no_outlet
    if article.published_at is None:
        return f"{outlet}, {words.undated}"
    day = long_date(article.published_at, language)
    return f"{outlet}, {day} ({words.date_inferred})" if article.date_inferred else f"{outlet}, {day}"


def headline(article: Article, words: Strings) -> str:
    """Return the headline as plain text, or the last part of the file name when there is none."""
    return article.title or article.path.rsplit("/", 1)[-1] or words.untitled


def evidence_panel(answer: Answer | None, language: Language, *, key: str = "0") -> str:
    """Write the panel beside the conversation: proof of an answer, or what came nearest to one.

    Args:
        answer: the answer to prove; ``None`` before the first question.
        language: of the page, not of the answer.
        key: makes the identifiers on the page unique to this answer; letters, digits and hyphens.
    """
    words = strings_for(language)
    if answer is None:
        return (
            f'<section class="t-evidence t-evidence-empty"><h2>{escape(words.evidence)}</h2>'
            f"<p>{escape(words.evidence_empty)}</p></section>"
        )
    if answer.abstained:
        title, note = words.nearest, f'<p class="t-note">{escape(words.nearest_note)}</p>'
        cards = [
            _hit_card(hit, answer, language, f"{key}-n{n}")
            for n, hit in enumerate(nearest_hits(answer.hits), 1)
        ]
    else:
        title, note = words.evidence, ""
        cards = [_citation_card(one, answer, language, key) for one in answer.citations]
    asked = escape(words.evidence_for.format(question=answer.question))
    return (
        f'<section class="t-evidence{" t-refused" if answer.abstained else ""}"><h2>{escape(title)}</h2>'
        f'<p class="t-asked">{asked}</p>{note}<div class="t-cards">{"".join(cards)}</div></section>'
    )


def nearest_hits(hits: Sequence[Hit]) -> list[Hit]:
    """The best hit of each article, best first, as many as a refusal shows."""
    best: dict[str, Hit] = {}
    for hit in hits:
        best.setdefault(hit.article.id, hit)
    return list(best.values())[:NEAREST_SHOWN]


def _citation_card(citation: Citation, answer: Answer, language: Language, key: str) -> str:
    article = citation.article
    shown = passage_around(article.text, citation.start, citation.end)
    marks = [(one.start, one.end) for one in answer.citations if one.article.id == article.id]
    dates = "".join(f'<p class="t-dates">{escape(line)}</p>' for line in resolved_dates(citation, language))
    return _card(
        article,
        shown,
        [(citation.start, citation.end)],
        _article_dialog(article, marks, citation.start, language, f"article-{key}-{citation.marker}"),
        language,
        card_id=f"card-{key}-{citation.marker}",
        marker=citation.marker,
        note=dates + _why(answer, _hit_of(citation, answer.hits), language),
    )


def resolved_dates(citation: Citation, language: Language) -> list[str]:
    """Say in plain text what days the quote means by "kemarin" or "Jumat (19/5)", marked as worked out."""
    resolved = strings_for(language).resolved
    return [
        resolved.format(words=citation.quote[one.start : one.end], day=long_date(one.day, language))
        for one in citation.dates
    ]


def _hit_of(citation: Citation, hits: Sequence[Hit]) -> Hit | None:
    """Return the hit that a quote was read in, if the answer still carries it."""
    for hit in hits:
        if hit.article.id == citation.article.id and hit.chunk.start <= citation.start < hit.chunk.end:
            return hit
    return None


def _why(answer: Answer, hit: Hit | None, language: Language) -> str:
    """Why a passage is shown: where search and reading put it, and how sure the answer is."""
    words = strings_for(language)
    lines = []
    if hit is not None:
        for line, rank in (
            (words.why_meaning, hit.ranks.dense),
            (words.why_words, hit.ranks.lexical),
            (words.why_together, hit.ranks.fused),
            (words.why_reading, answer.hits.index(hit) + 1),
        ):
            lines.append(line.format(rank=words.no_rank if rank is None else words.rank.format(rank=rank)))
    chances = {"percent": round(100 * answer.confidence), "threshold": round(100 * answer.threshold)}
    lines.append((words.why_refused if answer.abstained else words.why_answered).format(**chances))
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<details class="t-why"><summary>{escape(words.why)}</summary><ul>{items}</ul></details>'


def _hit_card(hit: Hit, answer: Answer, language: Language, key: str) -> str:
    """A passage that was found but proves nothing: not highlighted, so that it cannot pass for proof."""
    article, chunk = hit.article, hit.chunk
    most = min(chunk.end, chunk.start + 2 * CONTEXT_CHARACTERS)
    end = chunk.end if most == chunk.end else _word_end(article.text, chunk.start + 1, most)
    shown = _passage(article.text, chunk.start, end)
    dialog = _article_dialog(article, [(chunk.start, chunk.end)], chunk.start, language, f"article-{key}")
    return _card(
        article, shown, [], dialog, language, card_id=f"card-{key}", note=_why(answer, hit, language)
    )


def _card(
    article: Article,
    shown: Passage,
    marks: Sequence[tuple[int, int]],
    dialog: tuple[str, str],
    language: Language,
    *,
    card_id: str,
    marker: int | None = None,
    note: str = "",
) -> str:
    words = strings_for(language)
    badge = f'<span class="t-marker" aria-hidden="true">{marker}</span>' if marker is not None else ""
    classes = "t-passage" + " t-cut-before" * shown.cut_before + " t-cut-after" * shown.cut_after
    dialog_id, dialog_markup = dialog
    passage = highlighted(article.text, shown.start, shown.end, marks)
    return (
        f'<article class="t-card" id="{escape(card_id)}" tabindex="-1">'
        f'<header>{badge}<h3 dir="auto">{escape(headline(article, words))}</h3></header>'
        f"{_meta(article, language)}"
        f'<blockquote class="{classes}">{passage}</blockquote>{note}'
        f'<footer><button type="button" class="t-read" popovertarget="{escape(dialog_id)}">'
        f"{escape(words.read_article)}</button>{_source_link(article, words)}</footer>"
        f"{dialog_markup}</article>"
    )


def _meta(article: Article, language: Language) -> str:
    words = strings_for(language)
    parts = [f'<bdi class="t-outlet">{escape(article.source or words.no_outlet)}</bdi>']
    if article.published_at is None:
        parts.append(f"<span>{escape(words.undated)}</span>")
    else:
        day = article.published_at
        stated = f'<time datetime="{day.isoformat()}">{escape(long_date(day, language))}</time>'
        if article.date_inferred:
            stated += (
                f' <span class="t-inferred" title="{escape(words.date_inferred_help)}">'
                f"{escape(words.date_inferred)}</span>"
            )
        parts.append(stated)
    if article.place:
        parts.append(f"<bdi>{escape(article.place)}</bdi>")
    return f'<p class="t-meta">{"<span> · </span>".join(parts)}</p>'


def _source_link(article: Article, words: Strings) -> str:
    url = safe_url(article.url)
    if url is None:
        return ""
    return (
        f'<a class="t-source" href="{escape(url)}" target="_blank" rel="noopener noreferrer nofollow">'
        f"{escape(words.open_source)}</a>"
    )


def _article_dialog(
    article: Article, marks: Sequence[tuple[int, int]], focus: int, language: Language, dialog_id: str
) -> tuple[str, str]:
    """The whole article in a popover, which opens and closes without a script, also by Escape."""
    words = strings_for(language)
    start, end, note = 0, len(article.text), ""
    if end > ARTICLE_CHARACTERS:
        around = passage_around(article.text, focus, focus, context=ARTICLE_CHARACTERS // 2)
        start, end = around.start, around.end
        note = f'<p class="t-note">{escape(words.shortened)}</p>'
    dialog_id = escape(dialog_id)
    name = escape(headline(article, words))
    return dialog_id, (
        f'<div popover class="t-article" id="{dialog_id}" role="dialog" aria-label="{name}">'
        f'<div class="t-article-bar"><button type="button" class="t-close" popovertarget="{dialog_id}" '
        f'popovertargetaction="hide">{escape(words.close)}</button></div>'
        f'<h2 dir="auto">{name}</h2>{_meta(article, language)}{note}'
        f'<div class="t-article-text">{highlighted(article.text, start, end, marks, focus=focus)}</div>'
        f'<p class="t-file">{escape(words.file)}: <bdi>{escape(article.path)}</bdi></p></div>'
    )
