"""Deleting from a text without losing track: cuts, what they leave, and where it all was in the raw text.

Pure functions over offsets. They know nothing of what is cut or why.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_BREAKS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
_WHITESPACE = re.compile(r"\s{2,}|[^\S ]|\A | \Z")


@dataclass(frozen=True, slots=True)
class Span:
    """Characters ``start`` to ``end`` (exclusive) of the raw text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Removal:
    """What was deleted, in offsets of the raw text: ``raw[start:end] == text``; ``reason`` is for people."""

    start: int
    end: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Cut:
    """Characters to delete from the current text, and why; an empty reason stands for whitespace."""

    start: int
    end: int
    reason: str


def raw_offsets(kept: Sequence[Span], offsets: Sequence[int]) -> list[int]:
    """Map ascending offsets of the kept text to the raw text; raise ``IndexError`` beyond its end."""
    found: list[int] = []
    position = 0
    spans = iter(kept)
    span = next(spans, Span(0, 0))
    for offset in offsets:
        while offset >= position + span.end - span.start:
            position += span.end - span.start
            following = next(spans, None)
            if following is None:
                raise IndexError(f"offset {offset} is beyond the kept text of {position} characters")
            span = following
        found.append(span.start + offset - position)
    return found


def apply_cuts(
    raw: str, text: str, kept: list[Span], cuts: list[Cut], removals: list[Removal]
) -> tuple[str, list[Span], list[Removal]]:
    """Delete ``cuts`` (sorted, disjoint, in offsets of ``text``) and carry spans and removals back to ``raw``."""
    pieces: list[str] = []
    spans: list[Span] = []
    removals = list(removals)
    source = iter(kept)
    current, base = next(source, Span(0, 0)), 0  # ``base`` is where ``current`` begins in ``text``

    def advance(start: int, end: int) -> Iterator[Span]:
        """Raw spans of ``text[start:end]``; calls must come in reading order."""
        nonlocal current, base
        while start < end:
            length = current.end - current.start
            if start >= base + length:
                base += length
                current = next(source)
                continue
            stop = min(end, base + length)
            yield Span(current.start + start - base, current.start + stop - base)
            start = stop

    def keep(start: int, end: int) -> None:
        pieces.append(text[start:end])
        for span in advance(start, end):
            if spans and spans[-1].end == span.start:
                spans[-1] = Span(spans[-1].start, span.end)
            else:
                spans.append(span)

    position = 0
    for cut in cuts:
        keep(position, cut.start)
        removals.extend(
            Removal(span.start, span.end, raw[span.start : span.end], cut.reason)
            for span in advance(cut.start, cut.end)
        )
        position = cut.end
    keep(position, len(text))
    return "".join(pieces), spans, removals


def with_whitespace(text: str, cuts: list[Cut]) -> list[Cut]:
    """Add the whitespace that the cuts leave behind, and all other runs that are longer than the rule."""
    runs = [Cut(match.start(), match.end(), "") for match in _WHITESPACE.finditer(text)]
    result: list[Cut] = []
    gap: list[Cut] = []
    end = -1
    for piece in sorted([*cuts, *_surroundings(text, cuts), *runs], key=lambda cut: (cut.start, cut.end)):
        if piece.start > end and gap:
            result.extend(_close_gap(text, gap))
            gap = []
        gap.append(piece)
        end = max(end, piece.end)
    if gap:
        result.extend(_close_gap(text, gap))
    return result


def _surroundings(text: str, cuts: list[Cut]) -> Iterator[Cut]:
    """Single spaces beside a cut, which the search for longer runs does not see."""
    for cut in cuts:
        if cut.start and text[cut.start - 1] == " ":
            yield Cut(cut.start - 1, cut.start, "")
        if cut.end < len(text) and text[cut.end] == " ":
            yield Cut(cut.end, cut.end + 1, "")


def _close_gap(text: str, gap: list[Cut]) -> Iterator[Cut]:
    """Cut all of a gap between words but the one character that must part them."""
    spaces = [piece for piece in gap if not piece.reason]
    whole = [piece for piece in gap if piece.reason]
    start, end = gap[0].start, max(piece.end for piece in gap)
    keep = _separator(text, spaces) if start > 0 and end < len(text) else None
    position = start
    for piece in sorted(whole, key=lambda cut: cut.start):
        yield from _white(position, piece.start, keep)
        yield piece
        position = piece.end
    yield from _white(position, end, keep)


def _separator(text: str, spaces: list[Cut]) -> int | None:
    """Offset of the character that stays: the first newline, else any line break, else a space, else any."""
    for wanted in ("\n", _BREAKS, " "):
        for piece in spaces:
            for offset in range(piece.start, piece.end):
                if text[offset] in wanted:
                    return offset
    return spaces[0].start if spaces else None


def _white(start: int, end: int, keep: int | None) -> Iterator[Cut]:
    if keep is not None and start <= keep < end:
        if start < keep:
            yield Cut(start, keep, "whitespace")
        start = keep + 1
    if start < end:
        yield Cut(start, end, "whitespace")
