"""Markdown, as far as deleting alone turns it into plain text: marks go, no character is rewritten."""

from __future__ import annotations

import re

from qa.corpus.deletion import Cut

_MARKUP = re.compile(
    r"(?P<image>!\[[^\]\n]{0,500}\]\([^)\s]{0,2000}\))"
    r"|(?P<open>\[)(?P<label>[^\[\]\n]{1,500})(?P<close>\]\([^)\n]{0,2000}\))"
    r"|(?P<fence>^[ \t]{0,3}(?:```|~~~)[^\n]*$)"
    r"|(?P<marks>^[ \t]{0,3}(?:\#{1,6}[ \t]+|(?:>[ \t]?)+|[*+-][ \t]+(?=\S)))"
    r"|(?P<strong>\*\*|(?<!\w)__(?=\w)|(?<=\w)__(?!\w)|`|(?<![\w*])\*(?=[^\s*])|(?<=[^\s*])\*(?![\w*]))",
    re.MULTILINE,
)
_FRONT_MATTER = re.compile(r"---[ \t]*\r?\n(?P<block>(?:(?!---)[^\n]{0,1000}\n){0,60})---[ \t]*(?:\r?\n|\Z)")
_HEADING = re.compile(r"\s*\#[ \t]+(?P<title>[^\n]{1,300})(?:\n|\Z)")
_KEY = re.compile(r"(?P<key>[\w-]{2,30})\s*:\s+(?P<value>\S.*)")


def read_front_matter(text: str) -> tuple[dict[str, str], int]:
    """Read a block of ``key: value`` lines between two ``---``; return it with the offset where it ends.

    Keys are lower-cased, quotes around values dropped; lines of any other shape are passed over. Without
    such a block the result is empty and the offset 0.
    """
    match = _FRONT_MATTER.match(text)
    if not match:
        return {}, 0
    found: dict[str, str] = {}
    for line in match["block"].splitlines():
        pair = _KEY.fullmatch(line.rstrip())
        if pair:
            found.setdefault(pair["key"].casefold(), pair["value"].strip().strip("\"'"))
    return found, match.end()


def find_heading(text: str, start: int) -> tuple[str, Cut] | None:
    """Find the ``# Title`` that opens a document at ``start``."""
    match = _HEADING.match(text, start)
    return (match["title"].strip(), Cut(match.start("title"), match.end("title"), "title")) if match else None


def markup_cuts(text: str, start: int) -> list[Cut]:
    """Find the marks of Markdown from ``start`` on: link addresses, images, emphasis, headings, quotes."""
    cuts = []
    for match in _MARKUP.finditer(text, start):
        if match["label"] is None:
            cuts.append(Cut(match.start(), match.end(), "markup"))
            continue
        cuts.append(Cut(match.start("open"), match.end("open"), "markup"))
        cuts.append(Cut(match.start("close"), match.end("close"), "markup"))
    return cuts
