"""Compare ways to fuse the two legs: ``python -m benchmarks.fit_fusion DATA --index DIR``.

DATA and DIR as for ``benchmarks.fit_sentence_reader``, whose index is used. Only questions with a passage there count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.fit_sentence_reader import Question, for_each_language, identity, is_left_out
from embeddings.encoder import SentenceEncoder
from embeddings.metrics import RETRIEVAL_METRICS, retrieval_scores
from qa.fusion import convex_combination
from qa.index import NewsIndex
from qa.retriever import POOL
from qa.types import Language

Leg = Sequence[tuple[int, float]]
Fusion = Callable[[Leg, Leg], list[int]]

WEIGHTS = (0.0, 0.09, 0.17, 0.23, 0.33, 0.5)
RANK_SETTINGS = ((60, 1.0), (60, 0.5), (60, 0.1), (5, 0.2), (5, 0.1))


def weighted(dense_weight: float) -> Fusion:
    """Return the fusion by scores with this weight of the dense leg."""
    return lambda dense, lexical: [
        key for key, _ in convex_combination(dense, lexical, dense_weight=dense_weight)
    ]


def by_rank(k: int, dense_weight: float) -> Fusion:
    """Return reciprocal rank fusion (Cormack, Clarke & Büttcher 2009), the lexical leg weighing 1."""

    def fuse(dense: Leg, lexical: Leg) -> list[int]:
        scores: dict[int, float] = {}
        for weight, leg in ((dense_weight, dense), (1.0, lexical)):
            for rank, (key, _) in enumerate(leg, start=1):
                scores[key] = scores.get(key, 0.0) + weight / (k + rank)
        return sorted(scores, key=lambda key: (-scores[key], key))

    return fuse


def compare(index: NewsIndex, encoder: SentenceEncoder, language: Language, asked: list[Question]) -> None:
    """Print the figures of every way, at article level."""
    asked = [row for row in asked if row[2] and not is_left_out(row[1])]
    vectors = encoder.encode_queries([question for question, _, _ in asked])
    legs = [
        (index.search_dense(vector, POOL), index.search_lexical(question, POOL))
        for (question, _, _), vector in zip(asked, vectors, strict=True)
    ]
    owners = {
        key: chunk.article_id
        for pair in legs
        for key, (chunk, _) in index.chunks(sorted({key for leg in pair for key, _ in leg})).items()
    }
    relevant = {str(number): {identity(context): 1} for number, (_, context, _) in enumerate(asked)}
    ways = {f"scores, meaning at {weight}": weighted(weight) for weight in WEIGHTS}
    ways |= {
        f"reciprocal rank, k = {k}, meaning at {weight}": by_rank(k, weight) for k, weight in RANK_SETTINGS
    }
    for name, fuse in ways.items():
        rankings = {
            str(number): list(dict.fromkeys(owners[key] for key in fuse(dense, lexical)))
            for number, (dense, lexical) in enumerate(legs)
        }
        scores = retrieval_scores(rankings, relevant)
        figures = "  ".join(
            f"{metric} {sum(scores[metric].values()) / len(asked):.3f}" for metric in RETRIEVAL_METRICS
        )
        print(f"  {name:45} {figures}")


if __name__ == "__main__":
    for_each_language(__doc__, compare)
