"""From a saved page's text to its article: page furniture out; title, date, outlet and place in.

Pure text in, pure text out. Cleaning only deletes: the cleaned text is the concatenation of kept spans of the
raw text, and kept and removed spans together tile it. What furniture looks like is in ``furniture.py`` and
``datelines.py``; here is where on a page it may be believed.

The title, a header block, the date line, bylines and the dateline ("MOSKOW - ") become metadata and leave the
text, so that none of them is ever quoted. Whitespace shrinks by one rule: a run that holds a line break keeps
one line break, any other run keeps one character (a plain space if it has one), and none stays at the ends.
So a line of the raw text is a paragraph of the cleaned text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise

from qa.corpus import furniture
from qa.corpus.datelines import Dateline, find_dateline
from qa.corpus.dates import DateMention, dates_with_weekday, latest_year, parse_date
from qa.corpus.deletion import Cut, Removal, Span, apply_cuts, raw_offsets, with_whitespace
from qa.corpus.markup import find_heading, markup_cuts, read_front_matter

#: Deleting can bring together what was apart, so passes repeat until nothing changes: nearly always two.
#: The bound keeps a hostile page from costing more than this many times its length.
MAX_PASSES = 10
_HEAD_LINES = 30
_LEAD_PARAGRAPHS = 3
#: What stands between a headline and its article, so that an unmarked line before it is the headline.
_SIGNS_OF_A_HEAD = frozenset(
    ("navigation", "date line", "byline", "photo credit", "photo caption", "page control", "header")
)
_INLINE_LINK = re.compile(
    r"(?<!\S)(?P<open>[(\[])\s?(?:baca|simak)(?:\s+juga)?\s?:[^()\[\]]{1,200}"
    r"(?:[(\[][^()\[\]]{0,80}[)\]][^()\[\]]{0,200})?[)\]](?=\s|$|[.,;:!?])",
    re.IGNORECASE,
)
_LINK_AT_END = re.compile(
    r"(?<=[.!?\"”’)])\s+(?P<link>(?:baca|simak)\s+juga\s?[:–—-]\s?(?P<headline>[^.]{10,150}))$", re.IGNORECASE
)
_HEADER = re.compile(r"(?P<key>[A-Za-z]{3,12})\s?:\s+(?P<value>\S.*)", re.DOTALL)
_HEADER_KEYS = {
    **dict.fromkeys(("judul", "title", "headline"), "title"),
    **dict.fromkeys(("sumber", "source", "media", "outlet"), "source"),
    **dict.fromkeys(("tanggal", "date", "waktu", "terbit", "published"), "date"),
    **dict.fromkeys(("url", "link", "tautan"), "url"),
    **dict.fromkeys(("tempat", "lokasi", "place"), "place"),
    **dict.fromkeys(("penulis", "author", "editor", "reporter", "kategori", "rubrik", "category"), "other"),
}


@dataclass(frozen=True, slots=True)
class Cleaned:
    """An article's text and what its page said about it.

    ``text`` is the concatenation of the ``kept`` spans of the raw text. ``date_inferred`` is whether the year
    of ``published_at`` was worked out from the rest of the text. ``removals`` are in reading order.
    """

    text: str
    title: str | None
    source: str | None
    place: str | None
    published_at: date | None
    date_inferred: bool
    url: str | None
    removals: tuple[Removal, ...]
    kept: tuple[Span, ...]

    def raw_offset(self, offset: int) -> int:
        """Map an offset of a character of ``text`` to the raw text; raise ``IndexError`` outside."""
        if offset < 0:
            raise IndexError(f"offset {offset} is negative")
        return raw_offsets(self.kept, [offset])[0]


@dataclass(slots=True)
class _Facts:
    """What a page says about its article, filled in as it is found; what was found first stays."""

    title: str | None = None
    source: str | None = None
    place: str | None = None
    url: str | None = None
    date: date | None = None
    mentions: list[DateMention] | None = None

    def learn(self, **found: object) -> None:
        for name, value in found.items():
            if value and getattr(self, name) is None:
                setattr(self, name, value)


@dataclass(slots=True)
class _Line:
    """A line that holds something, without the whitespace around it; ``label`` says why it goes, if it does."""

    start: int
    text: str
    label: str | None = None


def clean(
    raw: str, *, headline: str | None = None, markdown: bool = False, today: date | None = None
) -> Cleaned:
    """Separate an article from the page it was saved from.

    ``headline`` is the title where it is already known: a line that repeats it goes, and no other line is
    taken for a title. ``markdown`` also deletes markup. Years after ``today`` (default: the current day in
    UTC) are not taken for years of publication.
    """
    today = today or datetime.now(tz=UTC).date()
    facts = _Facts(title=headline)
    text, kept = raw, [Span(0, len(raw))]
    removals: list[Removal] = []
    if markdown:
        cuts, headline = _read_markdown(raw, facts)
        text, kept, removals = apply_cuts(raw, text, kept, cuts, removals)
    for _ in range(MAX_PASSES):
        cuts = _find_cuts(text, facts, headline)
        cuts = with_whitespace(text, cuts)
        if not cuts:
            break
        text, kept, removals = apply_cuts(raw, text, kept, cuts, removals)
    published_at, inferred = _publication_date(raw, text, facts, today)
    removals.sort(key=lambda removal: removal.start)
    return Cleaned(
        text=text,
        title=" ".join(facts.title.split()) if facts.title else None,
        source=facts.source,
        place=facts.place,
        published_at=published_at,
        date_inferred=inferred,
        url=facts.url,
        removals=tuple(removals),
        kept=tuple(kept),
    )


def _read_markdown(raw: str, facts: _Facts) -> tuple[list[Cut], str | None]:
    """Learn from front matter and the first heading; return what to cut and the title, if there is one."""
    front, start = read_front_matter(raw)
    for name, value in front.items():
        key = _HEADER_KEYS.get(name, "other")
        facts.learn(**{key: parse_date(value) if key == "date" else value} if key != "other" else {})
    cuts = [Cut(0, start, "front matter")] if start else []
    heading = find_heading(raw, start)
    if heading:
        facts.learn(title=heading[0].strip("*_`# "))
        cuts.append(heading[1])
    inside = heading[1] if heading else Cut(0, 0, "")
    cuts.extend(cut for cut in markup_cuts(raw, start) if not inside.start < cut.end <= inside.end)
    return sorted(cuts, key=lambda cut: cut.start), facts.title


def _lines(text: str) -> list[_Line]:
    lines = []
    offset = 0
    for line in text.splitlines(keepends=True):
        stripped = line.strip()
        if stripped:
            lines.append(_Line(offset + len(line) - len(line.lstrip()), stripped))
        offset += len(line)
    return lines


def _find_cuts(text: str, facts: _Facts, headline: str | None) -> list[Cut]:
    """One pass over a page: label its lines, then cut what is furniture inside the others."""
    lines = _lines(text)
    _label_header(lines, facts)
    for line in lines:
        line.label = line.label or furniture.furniture(line.text)
    _label_links(lines)
    _label_foot(lines, facts)
    _label_share_buttons(lines)
    cuts = list(_cut_head(lines, facts, headline))
    cuts.extend(_cut_inside(lines, cuts))
    cuts.extend(Cut(line.start, line.start + len(line.text), line.label) for line in lines if line.label)
    return sorted(cuts, key=lambda cut: cut.start)


def _label_header(lines: list[_Line], facts: _Facts) -> None:
    """Read a block of "Judul: ...", "Tanggal: ..." lines at the top; one such line alone is no block."""
    found: list[tuple[str, str]] = []
    for line in lines[:12]:
        match = _HEADER.fullmatch(line.text) if len(line.text) <= 400 else None
        key = _HEADER_KEYS.get(match["key"].casefold()) if match else None
        if not match or not key:
            break
        found.append((key, match["value"]))
    if not {"title", "date", "url"} & {key for key, _ in found} or (
        len(found) < 2 and found[0][0] != "title"
    ):
        return
    for line, (key, value) in zip(lines, found, strict=False):
        line.label = "header"
        facts.learn(**{key: parse_date(value) if key == "date" else value} if key != "other" else {})


def _label_links(lines: list[_Line]) -> None:
    """Label "Baca juga:" with the headlines under it, and the list of other articles that ends a page."""
    last_sentence = max(
        (i for i, line in enumerate(lines) if not line.label and furniture.is_sentence(line.text)), default=-1
    )
    for i, line in enumerate(lines):
        if i > last_sentence and furniture.is_trailing_marker(line.text) and i + 1 < len(lines):
            for other in lines[i:]:
                other.label = other.label or "list of other articles"
            return
        if not furniture.is_marker(line.text):
            continue
        line.label = "link to another article"
        for other in lines[i + 1 : i + 4]:
            if other.label or not furniture.is_title_case(other.text) or len(other.text.split()) < 5:
                break
            other.label = "link to another article"


def _label_foot(lines: list[_Line], facts: _Facts) -> None:
    """Label what follows the last sentence: bylines, buttons, copyright, initials."""
    for i in range(len(lines) - 1, -1, -1):
        line = lines[i]
        if line.label:
            continue
        line.label = furniture.edge_furniture(line.text)
        if line.label == "source line":
            facts.learn(url=furniture.find_url(line.text))
        if not line.label and furniture.signature_start(line.text) == 0:
            line.label = "initials"
        if not line.label and furniture.is_sentence(line.text):
            return


def _label_share_buttons(lines: list[_Line]) -> None:
    """Label "Facebook", "WhatsApp", ... under a "Bagikan"; alone they may be headings of the article."""
    for before, line in pairwise(lines):
        if not line.label and before.label == "page control" and furniture.is_share_button(line.text):
            line.label = "page control"


def _cut_head(lines: list[_Line], facts: _Facts, headline: str | None) -> Iterator[Cut]:
    """Label what stands above the first paragraph, find the title there, and cut the dateline."""
    candidates: list[int] = []
    evidence: list[int] = []
    body = None
    for i, line in enumerate(lines[:_HEAD_LINES]):
        if not line.label:
            _label_head_line(lines, i, facts, headline)
        if line.label:
            if line.label in _SIGNS_OF_A_HEAD:
                evidence.append(i)
            continue
        dateline = _dateline(line.text, facts)
        if dateline:
            evidence.append(i)
            _learn_dateline(facts, dateline)
            yield Cut(line.start, line.start + dateline.length, "dateline")
            if dateline.length >= len(line.text.rstrip()):
                continue
        if dateline or furniture.is_sentence(line.text):
            body = i
            break
        candidates.append(i)
    if headline is None and candidates and body is not None:
        _label_title(lines, candidates, evidence, body, facts)


def _dateline(text: str, facts: _Facts) -> Dateline | None:
    """Read a dateline before running text, or alone in its line; a headline may look like one, too."""
    dateline = find_dateline(text)
    if not dateline:
        return None
    rest = text[dateline.length :].strip()
    return dateline if not rest or furniture.is_sentence(rest) else None


def _learn_dateline(facts: _Facts, dateline: Dateline) -> None:
    facts.learn(place=dateline.place, source=dateline.source)
    if dateline.date:
        facts.mentions = [*(facts.mentions or []), dateline.date]


def _label_head_line(lines: list[_Line], i: int, facts: _Facts, headline: str | None) -> None:
    """Label one line above the first paragraph, if it is furniture or metadata."""
    line = lines[i]
    if headline and _bare(line.text) == _bare(headline):
        line.label = "headline repeated"
        return
    date_line = furniture.read_date_line(line.text)
    if date_line:
        mention, outlet = date_line
        line.label = "date line"
        facts.learn(source=outlet)
        facts.mentions = [*(facts.mentions or []), mention]
        return
    line.label = furniture.edge_furniture(line.text)
    if line.label == "source line":
        facts.learn(url=furniture.find_url(line.text))
    if not line.label and _is_caption(line.text, furniture.caption_credit(line.text)):
        line.label = "photo caption"
    if not line.label and i and lines[i - 1].label == "photo credit" and _ends_caption(lines, i + 1, facts):
        line.label = "photo caption"


def _bare(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def _ends_caption(lines: list[_Line], i: int, facts: _Facts) -> bool:
    """Whether line ``i`` shows that the line before it, under a photo credit, was no part of the article."""
    if i >= len(lines):
        return False
    following = lines[i]
    if _dateline(following.text, facts):
        return True
    label = following.label or furniture.edge_furniture(following.text)
    is_head = label in ("page control", "byline", "photo credit") or bool(
        furniture.read_date_line(following.text)
    )
    # Below a one-paragraph article stand the same things; so more text must follow.
    return is_head and any(
        not line.label and furniture.is_sentence(line.text) for line in lines[i + 1 : i + 6]
    )


def _label_title(
    lines: list[_Line], candidates: list[int], evidence: list[int], body: int, facts: _Facts
) -> None:
    """Take the first unmarked line above the article as its title, if the page or its own look says so."""
    first = candidates[0]
    line = lines[first]
    if not furniture.is_headline(line.text):
        return
    if not evidence and not (first == 0 and body == 1 and furniture.is_title_case(line.text)):
        return
    line.label = "title"
    dateline = find_dateline(line.text)
    if dateline and dateline.length < len(line.text):
        facts.learn(source=dateline.source, title=line.text[dateline.length :])
    facts.learn(title=line.text)
    for i in candidates[1:]:
        name = lines[i].text.split()
        if lines[i + 1].label == "date line" and len(name) <= 4 and all(word[0].isupper() for word in name):
            lines[i].label = "byline"


def _cut_inside(lines: list[_Line], head: list[Cut]) -> Iterator[Cut]:
    """Cut furniture out of the lines that stay: links in brackets, photo credits, initials at the very end."""
    begin = {cut.start: cut.end - cut.start for cut in head}
    last = max((i for i, line in enumerate(lines) if not line.label), default=-1)
    for i, line in enumerate(lines):
        if line.label:
            continue
        offset = begin.get(line.start, 0)
        if offset >= len(line.text):
            continue
        end = len(line.text)
        if i == last:
            end = _signature_start(line.text, offset)
            if end < len(line.text):
                yield Cut(line.start + end, line.start + len(line.text), "initials")
        yield from _cut_credit(line, offset, end)
        lowered = line.text.casefold()
        if "baca" in lowered or "simak" in lowered:
            yield from _cut_links(line, offset, end)


def _signature_start(text: str, offset: int) -> int:
    end = len(text)
    while end > offset:
        start = furniture.signature_start(text[offset:end][-80:])
        if start is None:
            return end
        end -= len(text[offset:end][-80:]) - start
    return end


def _cut_credit(line: _Line, offset: int, end: int) -> Iterator[Cut]:
    """Cut a photo credit in brackets; before it stands either a caption, which goes too, or a sentence."""
    credit = furniture.caption_credit(line.text) if end == len(line.text) else None
    if not credit or credit.start() < offset:
        return
    if _is_caption(line.text[offset:], credit, offset):
        line.label = "photo caption"
    else:
        yield Cut(line.start + credit.start(), line.start + len(line.text), "photo credit")


def _is_caption(text: str, credit: re.Match[str] | None, offset: int = 0) -> bool:
    """Whether what stands before a photo credit is a caption and not a sentence of the article."""
    if not credit:
        return False
    before = text[: credit.start() - offset]
    return len(before.split()) <= 25 and not furniture.is_sentence(before)


def _cut_links(line: _Line, offset: int, end: int) -> Iterator[Cut]:
    for match in _INLINE_LINK.finditer(line.text, offset, end):
        start = match.start()
        if (
            line.text[match.end() : match.end() + 1] in tuple(".,;:!?")
            and line.text[start - 1 : start] == " "
        ):
            start -= 1
        yield Cut(line.start + start, line.start + match.end(), "link to another article")
    match_at_end = _LINK_AT_END.search(line.text, offset, end)
    if match_at_end and furniture.is_title_case(match_at_end["headline"]):
        yield Cut(line.start + match_at_end.start("link"), line.start + end, "link to another article")


def _publication_date(raw: str, text: str, facts: _Facts, today: date) -> tuple[date | None, bool]:
    """Choose header, then date line or dateline, then the first date with its weekday in the lead."""
    if facts.date:
        return facts.date, False
    # Captions and links count for the latest year: they are on the page, so it is not older than they are.
    latest = latest_year(raw, today)
    lead = [line for line in text.splitlines()[:12] if furniture.is_sentence(line)][:_LEAD_PARAGRAPHS]
    mentions = [*(facts.mentions or []), *(mention for line in lead for mention in dates_with_weekday(line))]
    for mention in mentions:
        resolved = mention.resolve(latest, today)
        if resolved and resolved[0] <= today:
            return resolved
    return None, False
