"""Fit ``qa.reader.COEFFICIENTS`` on development data: ``python -m benchmarks.fit_sentence_reader DATA --index DIR``.

DATA is a folder with ``reading/facqa.train.jsonl.gz``, ``reading/idk_mrc.train.jsonl.gz``,
``reading/squad_en_id.train.jsonl.gz`` and, as distractors, ``news/indosum.jsonl.gz`` and
``wiki/id_wikipedia_leads.jsonl.gz``. An index of their passages is made in DIR, without the passages of every
fourth context, so that a quarter of the questions has no answer there.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from embeddings.encoder import SentenceEncoder
from qa.index import NewsIndex
from qa.reader import FEATURES, SentenceReader
from qa.retriever import HybridRetriever
from qa.types import Article, Language
from qa.writer import IndexWriter

SEED = 7
THRESHOLDS = (0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.12, 0.15, 0.2, 0.3)

Question = tuple[str, str, list[str]]
"""A question, its context and the texts that answer it."""


def rows(path: Path) -> list[dict[str, Any]]:
    """Read a gzip JSON Lines file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def questions(data: Path) -> dict[Language, list[Question]]:
    """Draw 1,600 Indonesian and 1,400 English questions, both about Indonesian contexts."""
    chance = random.Random(SEED)
    facqa, idk, squad = (
        rows(data / f"reading/{name}.train.jsonl.gz") for name in ("facqa", "idk_mrc", "squad_en_id")
    )
    for drawn in (facqa, idk, squad):
        chance.shuffle(drawn)
    return {
        "id": [(row["question"], row["context"], texts(row["answers"])) for row in facqa[:700] + idk[:900]],
        "en": [(row["question_en"], row["context_id"], texts(row["answers_id"])) for row in squad[:1400]],
    }


def texts(answers: list[dict[str, Any]]) -> list[str]:
    """Return the texts of SQuAD-style answers."""
    return [answer["text"] for answer in answers if answer["text"]]


def identity(text: str) -> str:
    """Return the id of an article that is just this text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_left_out(context: str) -> bool:
    """Whether the context stays out of the index, as every fourth does."""
    return int(identity(context), 16) % 4 == 0


def passages(asked: dict[Language, list[Question]], data: Path) -> Iterator[str]:
    """Yield the contexts that go in, then distractors from news and encyclopedia."""
    contexts = dict.fromkeys(context for part in asked.values() for _, context, _ in part)
    yield from (context for context in contexts if not is_left_out(context))
    for article in rows(data / "news/indosum.jsonl.gz")[:350]:
        yield "\n".join(article["paragraphs"])
    for article in rows(data / "wiki/id_wikipedia_leads.jsonl.gz")[:3000]:
        yield "\n".join(article["paragraphs"])


def build(folder: Path, encoder: SentenceEncoder, found: Iterator[str]) -> None:
    """Index the passages, one article each; a run that was stopped goes on."""
    located = (
        (f"/{number}", Article(identity(text), None, text, None, None, None, False, None, str(number)))
        for number, text in enumerate(found)
    )
    with IndexWriter.open(folder, encoder) as writer:
        for number, _ in enumerate(writer.add(located)):
            if number % 1000 == 0:
                print(f"{number} indexed", flush=True)


def fit(index: NewsIndex, encoder: SentenceEncoder, language: Language, asked: list[Question]) -> None:
    """Print coefficients, and how a threshold trades refusals for wrong answers."""
    from sklearn.linear_model import LogisticRegression

    reader, retriever = SentenceReader(index.rarity), HybridRetriever(index, encoder)
    features, labels, found = [], [], []
    for question, context, answers in asked:
        hits = retriever.search(question, k=5)
        places, row = reader.features(question, language, hits)
        right = [
            hit.article.id == identity(context)
            and any(text in hit.article.text[span[0] : span[1]] for text in answers)
            for hit, span in places
        ]
        features.append(row)
        labels.append(np.array(right, dtype=bool))
        found.append(any(hit.article.id == identity(context) for hit in hits))
    model = LogisticRegression(C=1.0, max_iter=5000).fit(np.vstack(features), np.concatenate(labels))
    print("coefficients", dict(zip(FEATURES, model.coef_[0].round(3).tolist(), strict=True)))
    print("intercept", model.intercept_.round(3).tolist())
    logits = [row @ model.coef_[0] + model.intercept_[0] for row in features]
    best = np.array([1 / (1 + np.exp(-max(row, default=-20.0))) for row in logits])
    first = [bool(len(row)) and bool(label[row.argmax()]) for row, label in zip(logits, labels, strict=True)]
    holds = np.array([label.any() for label in labels])
    present = np.array(found)
    print(f"right passage among five {present.mean():.3f}, the best sentence answers where one does", end=" ")
    print(f"{np.array(first)[holds].mean():.3f}")
    for threshold in THRESHOLDS:
        refused = best < threshold
        print(
            f"  threshold {threshold}: refused {refused[present].mean():.3f} with the passage, "
            f"{refused[~present].mean():.3f} without; right of those answered {np.array(first)[~refused].mean():.3f}"
        )


def for_each_language(
    description: str | None, step: Callable[[NewsIndex, SentenceEncoder, Language, list[Question]], None]
) -> None:
    """Read DATA and DIR from the command line, index what is missing, and take ``step`` for each language."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("data", type=Path)
    parser.add_argument("--index", type=Path, required=True)
    options = parser.parse_args()
    asked = questions(options.data)
    encoder = SentenceEncoder.load()
    build(options.index, encoder, passages(asked, options.data))
    with NewsIndex.open(options.index, encoder.fingerprint) as index:
        for language, part in asked.items():
            print(language)
            step(index, encoder, language, part)


if __name__ == "__main__":
    for_each_language(__doc__, fit)
