"""Question to passages: a dense and a lexical leg, fused by score, copies collapsed.

Knows keys, vectors and hits; knows nothing of answers or pages.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from qa.errors import IndexCorruptError
from qa.fusion import DENSE_WEIGHTS, convex_combination
from qa.index import NewsIndex
from qa.terms import detect_language, words
from qa.types import Encoder, Filters, Hit, Language, Origin, Ranks

POOL = 50
"""Candidates taken from each leg: the passage that answers is rarely lower in both."""

COPY_SHARE = 0.8
"""Share of the shorter passage's word triples found in another above which the two are copies."""

_SHINGLE = 3


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Hits of a question, best first, and the milliseconds spent by stage."""

    hits: list[Hit]
    timings: dict[str, float]


@dataclass(frozen=True, slots=True)
class HybridRetriever:
    """Finds passages by meaning and by words, and fuses the two by their scores.

    ``dense_weights``: share of the meaning, 0 to 1, by the question's language; the words have the rest. A leg that
    weighs nothing is not asked, so 0 searches by words alone and 1 by meaning alone.
    """

    index: NewsIndex
    encoder: Encoder
    dense_weights: Mapping[Language, float] = field(default_factory=lambda: DENSE_WEIGHTS)

    def search(self, question: str, *, k: int = 5, filters: Filters | None = None) -> list[Hit]:
        """Return up to ``k`` hits, best first; of near-identical passages of several articles only the best."""
        return self.retrieve(question, k=k, filters=filters).hits

    def retrieve(
        self, question: str, *, k: int = 5, filters: Filters | None = None, pool: int | None = None
    ) -> Retrieved:
        """The same as ``search``, with timings.

        ``pool`` is how many candidates each leg gives, by default ``POOL`` or ``k``, whichever is more. With the
        same pool a higher ``k`` only makes the list longer.
        """
        clock = _Clock()
        weight = self.dense_weights[detect_language(question)]
        vector = self.encoder.encode_queries([question])[0] if weight > 0 else None
        clock.lap("encode")
        pool = pool or max(POOL, k)
        while True:
            # One view for both legs, so that a refresh by another thread does not come between them.
            view = self.index.view
            dense, lexical = list[tuple[int, float]](), list[tuple[int, float]]()
            if vector is not None:
                dense = self.index.search_dense(vector, pool, filters, view=view)
            clock.lap("dense")
            if weight < 1:
                lexical = self.index.search_lexical(question, pool, filters, view=view)
            clock.lap("lexical")
            hits = self._fused(dense, lexical, weight, k)
            clock.lap("fuse")
            if hits is not None:
                return Retrieved(hits, clock.laps)
            # A chunk found is gone from the store since: what replaced it may be what is asked for.
            if not self.index.refresh() and self.index.view is view:
                raise IndexCorruptError(
                    f"the index in {self.index.folder} finds passages that its store does not have. "
                    f"Make it anew: tanya index PATH --index {self.index.folder} --rebuild"
                )

    def _fused(
        self, dense: list[tuple[int, float]], lexical: list[tuple[int, float]], dense_weight: float, k: int
    ) -> list[Hit] | None:
        """Return the ``k`` best of both rankings, ``None`` if one of them is no longer in the store."""
        fused = convex_combination(dense, lexical, dense_weight=dense_weight)
        in_dense = {key: rank for rank, (key, _) in enumerate(dense, start=1)}
        in_lexical = {key: rank for rank, (key, _) in enumerate(lexical, start=1)}
        hits: list[Hit] = []
        step = 2 * k + 10  # mostly enough; copies thin the list, and then more are looked at
        for first in range(0, len(fused), step):
            part = fused[first : first + step]
            found = self.index.chunks([key for key, _ in part])
            if len(found) < len(part):
                return None
            hits = collapse_copies(
                [
                    *hits,
                    *(
                        Hit(
                            *found[key],
                            score,
                            _origin(key in in_dense, key in in_lexical),
                            Ranks(in_dense.get(key), in_lexical.get(key), rank),
                        )
                        for rank, (key, score) in enumerate(part, start=first + 1)
                    ),
                ]
            )
            if len(hits) >= k:
                break
        return hits[:k]


def collapse_copies(hits: Iterable[Hit]) -> list[Hit]:
    """Return ``hits`` without those whose passage copies that of a better hit from another article."""
    kept: list[tuple[Hit, frozenset[tuple[str, ...]]]] = []
    for hit in hits:
        shingles = _shingles(hit.chunk.text)
        if not any(
            hit.article.id != other.article.id and _is_copy(shingles, theirs) for other, theirs in kept
        ):
            kept.append((hit, shingles))
    return [hit for hit, _ in kept]


class _Clock:
    """Milliseconds between laps, by name."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = self.laps.get(name, 0.0) + (now - self._last) * 1000
        self._last = now


def _origin(dense: bool, lexical: bool) -> Origin:
    if dense and lexical:
        return "both"
    return "dense" if dense else "lexical"


def _shingles(text: str) -> frozenset[tuple[str, ...]]:
    found = words(text)
    if len(found) < _SHINGLE:
        return frozenset([tuple(found)])
    return frozenset(zip(found, found[1:], found[2:], strict=False))


def _is_copy(left: frozenset[tuple[str, ...]], right: frozenset[tuple[str, ...]]) -> bool:
    return len(left & right) >= COPY_SHARE * min(len(left), len(right))
