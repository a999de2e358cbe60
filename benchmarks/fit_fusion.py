"""Choose ``qa.fusion.DENSE_WEIGHTS`` on development data: ``python -m benchmarks.fit_fusion DATA --index DIR``.

DATA holds the files that ``benchmarks.development`` names; an index of their passages is made in DIR, with the default
model or the one of --model. For each language of question every weight is tried on one half of the questions that have
an answer, and the best by nDCG@10 that keeps both legs is chosen; the other half reports it beside each leg alone, with
95 % intervals. The halves are written beside DIR as question sets, which ``tanya evaluate --dense-weight W`` takes too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from benchmarks.development import Development, Question, for_each_language, with_interval
from embeddings.metrics import RETRIEVAL_METRICS, retrieval_scores
from qa.fusion import convex_combination
from qa.retriever import POOL
from qa.types import Language

Leg = Sequence[tuple[int, float]]
Fusion = Callable[[Leg, Leg], list[int]]
Scores = Mapping[str, np.ndarray]
"""By metric, one value (0 to 1) a question, shape ``(questions,)``."""

WEIGHTS = tuple(step / 10 for step in range(11))
CHOSEN_BY = "ndcg@10"


def weighted(dense_weight: float) -> Fusion:
    """Return the fusion by scores with this weight of the dense leg; a leg that weighs nothing is left out."""

    def fuse(dense: Leg, lexical: Leg) -> list[int]:
        fused = convex_combination(
            dense if dense_weight > 0 else [], lexical if dense_weight < 1 else [], dense_weight=dense_weight
        )
        return [key for key, _ in fused]

    return fuse


def by_rank(dense: Leg, lexical: Leg) -> list[int]:
    """Fuse by reciprocal rank (Cormack, Clarke & Büttcher 2009), k = 60, both legs weighing the same."""
    scores: dict[int, float] = {}
    for leg in (dense, lexical):
        for rank, (key, _) in enumerate(leg, start=1):
            scores[key] = scores.get(key, 0.0) + 1 / (60 + rank)
    return sorted(scores, key=lambda key: (-scores[key], key))


def measure(found: Development, asked: Sequence[Question], ways: Mapping[str, Fusion]) -> dict[str, Scores]:
    """Return what each way scores on each question, at article level."""
    vectors = found.encoder.encode_queries([question.text for question in asked])
    legs = [
        (found.index.search_dense(vector, POOL), found.index.search_lexical(question.text, POOL))
        for question, vector in zip(asked, vectors, strict=True)
    ]
    owners = {
        key: chunk.article_id
        for pair in legs
        for key, (chunk, _) in found.index.chunks(sorted({key for leg in pair for key, _ in leg})).items()
    }
    relevant = {str(number): {question.article_id: 1} for number, question in enumerate(asked)}
    measured = {}
    for name, fuse in ways.items():
        rankings = {
            str(number): list(dict.fromkeys(owners[key] for key in fuse(dense, lexical)))
            for number, (dense, lexical) in enumerate(legs)
        }
        scores = retrieval_scores(rankings, relevant)
        measured[name] = {
            metric: np.array([scores[metric][number] for number in relevant]) for metric in RETRIEVAL_METRICS
        }
    return measured


def choose(measured: Mapping[float, Scores]) -> float:
    """Return the weight between 0 and 1 with the best mean of ``CHOSEN_BY``; of equally good ones the lowest.

    0 and 1 are not chosen: a question none of whose words is in the archive would find nothing, or a name that the
    model does not know.
    """
    both = sorted(weight for weight in measured if 0 < weight < 1)
    return max(both, key=lambda weight: measured[weight][CHOSEN_BY].mean())


def compare(found: Development) -> float:
    """Choose on the one half, print the figures of both, return the weight."""
    choosing, reporting = (
        [question for question in half if question.answers] for half in (found.choosing, found.reporting)
    )
    print(f"\n{found.language}: {len(choosing)} questions to choose by, {len(reporting)} to report on")
    ways = {str(weight): weighted(weight) for weight in WEIGHTS} | {"reciprocal rank": by_rank}
    measured = measure(found, choosing, ways)
    print(f"  {'choosing half, meaning at':28}" + "".join(f"{metric:>11}" for metric in RETRIEVAL_METRICS))
    for name, scores in measured.items():
        print(f"  {name:28}" + "".join(f"{scores[metric].mean():11.3f}" for metric in RETRIEVAL_METRICS))
    weight = choose({weight: measured[str(weight)] for weight in WEIGHTS})
    ways = {
        "words alone": weighted(0.0),
        "meaning alone": weighted(1.0),
        "reciprocal rank": by_rank,
        "fused": weighted(weight),
    }
    measured = measure(found, reporting, ways)
    print(f"  reporting half, fused with meaning at {weight}")
    for name, scores in measured.items():
        figures = [f"{metric} {with_interval(scores[metric])}" for metric in RETRIEVAL_METRICS]
        print(f"  {name:28}{'  '.join(figures)}")
    for name in ("words alone", "meaning alone", "reciprocal rank"):
        gained = [
            f"{metric} {with_interval(measured['fused'][metric] - measured[name][metric], sign='+')}"
            for metric in RETRIEVAL_METRICS
        ]
        print(f"  {'fused − ' + name:28}{'  '.join(gained)}")
    return weight


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures of every language, and the line for ``qa/fusion.py``; return the exit code."""
    chosen: dict[Language, float] = {}

    def step(found: Development) -> None:
        chosen[found.language] = compare(found)

    code = for_each_language(__doc__, step, argv)
    if code == 0:
        pairs = ", ".join(f'"{language}": {weight}' for language, weight in chosen.items())
        print(f"\nFor qa/fusion.py:\nDENSE_WEIGHTS: Mapping[Language, float] = {{{pairs}}}")
    return code


if __name__ == "__main__":
    sys.exit(main())
