"""Articles to passages, on sentence borders, with exact character offsets.

Knows sentences and words; knows nothing of models, stores or pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import sentencex

from qa.types import Article, Chunk

Span = tuple[int, int]

MAX_WORDS = 90
"""Longest chunk in words: models with an English vocabulary read 256 tokens and spend 2.6 on an Indonesian word; the
bundled one spends 1.4, so that half of its window is left for longer words and headlines."""

OVERLAP_WORDS = 25
"""A sentence of at most this many words that closes a chunk also opens the next, so that pronouns keep company."""

# Written with a full stop and always followed by what they introduce, so no sentence ends there.
# sentencex 1.0 knows few of them for Indonesian: it splits after "Jl.", "PT.", "Ir." and "Dr.".
_ABBREVIATIONS = frozenset(
    """
    a.n adm akbp al alm bpk brigjen bripka cv d.a dr dra drg drh drs ds dt dsn gg gub h hj hlm hal inc ir irjen
    iptu ipda jend jl jln kab kapt kav kec kel kep kh ki kol komjen kombes kompol kopda kpt laksda laksma
    letda letjen letkol lettu lt m.sc marsda marsma mayjen mr mrs ms muh moh no nn ny nyi pdt pel pemkab pemkot
    plt prof pratu prov ps pt r.a raden rp rs rt rw s.d sdr sdri sersan sertu serda st tb tgk tgl tn tel telp ub u.b
    u.p ust ustad vs yth
    """.split()
)
_LAST_WORD = re.compile(r"(\S+)\.\s*$")
_INITIAL = re.compile(r"[\"“‘'(\[]*[A-Z]")
_PARAGRAPH = re.compile(r"[^\n]+")
_WORD = re.compile(r"\S+")


def sentence_spans(text: str) -> list[Span]:
    """Return ``(start, end)`` character offsets of the sentences of ``text``, in order, without outer blanks.

    A line break always ends a sentence. Borders come from sentencex (Wikimedia); those after Indonesian
    abbreviations and initials ("Drs.", "No.", "A. Yani"), or before a lower-case word, are taken back.
    """
    spans: list[Span] = []
    for paragraph in _PARAGRAPH.finditer(text):
        line, offset = paragraph.group(), paragraph.start()
        start = 0
        for border in sentencex.get_sentence_boundaries("id", line):
            end = border["end_index"]
            if end < len(line) and _continues(line[start:end], line[end:]):
                continue
            spans.extend(_trimmed(line, start, end, offset))
            start = end
        spans.extend(_trimmed(line, start, len(line), offset))
    return spans


def chunk_article(article: Article, *, max_words: int = MAX_WORDS) -> list[Chunk]:
    """Cut ``article.text`` into chunks of at most ``max_words`` words, all of similar length.

    ``chunk.text == article.text[chunk.start:chunk.end]``; every sentence is in at least one chunk. A single
    sentence longer than ``max_words`` is cut between words.
    """
    text = article.text
    sentences = [piece for span in sentence_spans(text) for piece in _cut(text, span, max_words)]
    lengths = [len(text[start:end].split()) for start, end in sentences]
    return [
        Chunk(
            id=f"{article.id}-{ordinal}",
            article_id=article.id,
            ordinal=ordinal,
            text=text[sentences[first][0] : sentences[last][1]],
            start=sentences[first][0],
            end=sentences[last][1],
        )
        for ordinal, (first, last) in enumerate(_packed(lengths, max_words))
    ]


def _continues(sentence: str, rest: str) -> bool:
    """Whether the border between the two was no end of a sentence."""
    following = rest.lstrip("\"”’')] ")
    if following[:1].islower():
        return True
    match = _LAST_WORD.search(sentence)
    if match is None:
        return False
    word = match.group(1).lstrip("\"“‘'([")
    if len(word) == 1 and word.isalpha():
        return True
    if word.casefold() == "no":
        return following[:1].isdigit()
    return word.casefold() in _ABBREVIATIONS and bool(_INITIAL.match(rest) or following[:1].isdigit())


def _trimmed(line: str, start: int, end: int, offset: int) -> Iterator[Span]:
    piece = line[start:end]
    stripped = piece.strip()
    if stripped:
        begin = offset + start + len(piece) - len(piece.lstrip())
        yield begin, begin + len(stripped)


def _cut(text: str, span: Span, max_words: int) -> Iterator[Span]:
    start, end = span
    words = list(_WORD.finditer(text, start, end))
    for first in range(0, len(words), max_words):
        yield words[first].start(), words[min(first + max_words, len(words)) - 1].end()


def _packed(lengths: list[int], max_words: int) -> Iterator[Span]:
    """Yield ``(first, last)`` sentence numbers of each chunk: full, even, overlapping by a short sentence."""
    total = sum(lengths)
    if not total:
        return
    target = total / -(-total // max_words)
    first, repeats = 0, False
    while True:
        last, words = first, lengths[first]
        # A chunk that opens with the sentence that closed the last one must bring another.
        while (
            last + 1 < len(lengths)
            and (words < target or (repeats and last == first))
            and words + lengths[last + 1] <= max_words
        ):
            last += 1
            words += lengths[last]
        yield first, last
        if last + 1 == len(lengths):
            return
        shared = last > first and lengths[last] <= OVERLAP_WORDS
        fits = lengths[last] + lengths[last + 1] <= max_words
        repeats = shared and fits
        first = last if repeats else last + 1
