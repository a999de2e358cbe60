"""Rankings to one ranking. Pure functions on keys."""

from __future__ import annotations

from collections.abc import Sequence

RRF_K = 60
"""Dampens the lead of the first ranks (Cormack, Clarke & Büttcher 2009)."""


def reciprocal_rank_fusion(
    rankings: Sequence[Sequence[int]], *, weights: Sequence[float] | None = None, k: int = RRF_K
) -> list[tuple[int, float]]:
    """Fuse ``rankings`` (keys, best first) into ``(key, score)`` pairs, best first.

    A key scores the sum over rankings of ``weight / (k + rank)``, ranks from 1; a ranking without the key adds
    nothing. Equal scores are ordered by key, so the result does not depend on the order of the rankings.
    """
    scores: dict[int, float] = {}
    for weight, ranking in zip(weights or [1.0] * len(rankings), rankings, strict=True):
        for rank, key in enumerate(ranking, start=1):
            scores[key] = scores.get(key, 0.0) + weight / (k + rank)
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
