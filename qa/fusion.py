"""Two rankings to one. Pure functions on keys and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qa.types import Language

DENSE_WEIGHTS: Mapping[Language, float] = {"en": 0.3, "id": 0.2}
"""Share of the dense leg, by the question's language, for the bundled model: ``benchmarks/fit_fusion.py`` prints it."""


def dense_weights(share: float | None) -> Mapping[Language, float]:
    """Return ``share`` (0 to 1) for questions in every language, or ``DENSE_WEIGHTS`` if it is ``None``."""
    return DENSE_WEIGHTS if share is None else dict.fromkeys(DENSE_WEIGHTS, share)


def convex_combination(
    dense: Sequence[tuple[int, float]],
    lexical: Sequence[tuple[int, float]],
    *,
    dense_weight: float,
) -> list[tuple[int, float]]:
    """Fuse two lists of ``(key, score)`` into one of scores between 0 and 1, best first, equal scores by key.

    Cosines are stretched so that the lowest of ``dense`` is 0 and the highest 1; BM25 scores are divided by the
    highest of ``lexical``, since 0 means to them that nothing was found. A key that one list lacks scores 0 there.
    ``dense_weight``: share of ``dense`` in the sum, 0 to 1.
    Bruch, Gai & Ingber (2023) found such a combination better than reciprocal rank fusion, and so did we.
    """
    scores: dict[int, float] = {}
    if dense:
        lowest, highest = min(score for _, score in dense), max(score for _, score in dense)
        spread = highest - lowest
        for key, score in dense:
            scores[key] = dense_weight * ((score - lowest) / spread if spread > 0 else 1.0)
    if lexical:
        highest = max(score for _, score in lexical)
        for key, score in lexical:
            scaled = score / highest if highest > 0 else 1.0
            scores[key] = scores.get(key, 0.0) + (1.0 - dense_weight) * scaled
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
