"""Makes the bundled encoder: ``python -m embeddings.training.encoder DATA --out DIR``.

Vocabulary, alignment, transplant, mining, fine-tuning, measuring, export; every stage leaves a file in DIR and is
skipped when its file is there, so a run that was stopped goes on. DIR/model is the finished folder.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from embeddings.errors import DataError
from embeddings.glosses import Glosses, read_glosses
from embeddings.training.alignment import align, anchored
from embeddings.training.bench import BenchData, evaluate_model
from embeddings.training.data import TextPair
from embeddings.training.export import export
from embeddings.training.finetuning import Plan, fine_tune
from embeddings.training.mining import alike, mine
from embeddings.training.recipe import Stages, recipe_parser, run_recipe
from embeddings.training.student import MAX_TOKENS, Student, teacher_folder
from embeddings.training.tasks import Corpus, Tasks
from embeddings.training.transplant import explain, stretch, transplant
from embeddings.training.vocabulary import Usage, make_tokenizer, teacher_vocabulary

ALIGNMENT_REPEATS = {"wiktionary_dictionary": 2, "geovedi": 2, "tico19": 2, "pud": 2}
"""Parallel sets that count more than once in the alignment; the rest once."""
ALIGNMENT_LIMITS = {"gmmlu_choice": 12_000, "quran": 3_000}
ALIGNMENT_TITLES = 20_000
GLOSS_REPEATS = 3
"""How often the first gloss of a word counts; each further one counts once less, but once."""
VOCABULARY_ARTICLES = 75_000
START_SHARE = 0.3
"""How much of the transplanted weights the finished ones keep (WiSE-FT, Wortsman et al. 2022): what fine-tuning changed
too far for its few questions is taken back. See docs/encoder.md for what it brings."""


class Recipe(Stages):
    """The stages over one folder of data and one of results; each returns what its file holds, made if missing."""

    def __init__(self, data: Path, out: Path, plan: Plan) -> None:
        super().__init__(data, out)
        self.plan = plan
        self.teacher = teacher_folder()
        self.glosses = read_glosses()

    def run(self) -> None:
        """Run every stage that is not done yet, up to the finished folder."""
        corpus = Corpus.read(self.data, self.plan.seed)
        if not corpus.written:
            raise DataError(
                f"None of the passages that Tanya's written questions are about is in {self.data}: its news and wiki "
                "are of another edition. Use the one that embeddings/training/README.md names."
            )
        self.say(f"training data read, {len(corpus.written):,} written questions among it")
        tokenizer = self.tokenizer(corpus)
        english, indonesian = _english(corpus), _indonesian(corpus)
        usage = Usage.count(tokenizer, teacher_vocabulary(self.teacher), english, indonesian)
        teacher = Student.from_teacher(self.teacher)
        aligned = self.aligned(corpus, tokenizer, usage, teacher)
        rows = transplant(teacher.rows(usage.tokens), aligned, usage.kept)
        rows = stretch(explain(rows, usage.tokens, usage.kept, self.glosses, teacher), usage.kept)
        student = Student.from_teacher(self.teacher, tokenizer, rows)
        self.say("transplanted")
        misses, start = self.misses(student, corpus), student.weights()
        tasks = Tasks(corpus, self.glosses, misses, alike(teacher, corpus.written))
        fine_tune(student, teacher, tasks, self.plan, self.out, self.say)
        student.blend(start, START_SHARE)
        export(student, tokenizer, self.out / "model")
        self.measure(student)
        self.say(f"the encoder is in {self.out / 'model'}")

    def tokenizer(self, corpus: Corpus) -> Tokenizer:
        """Make the vocabulary of both languages."""
        file = self.out / "tokenizer.json"
        if not file.exists():
            made = make_tokenizer(
                _indonesian(corpus), teacher_vocabulary(self.teacher), max_tokens=MAX_TOKENS
            )
            made.save(f"{file}.building")
            os.replace(f"{file}.building", file)
            self.say("vocabulary made")
        return Tokenizer.from_file(str(file))

    def aligned(self, corpus: Corpus, tokenizer: Tokenizer, usage: Usage, teacher: Student) -> np.ndarray:
        """Align the tokens of both languages, float32 ``(tokens, dimension)``."""
        file = self.out / "aligned.safetensors"
        if not file.exists():
            pairs = list(_equivalent(corpus, np.random.default_rng(self.plan.seed)))
            pairs += _explained(self.glosses)
            initial = anchored(teacher, usage, self.plan.seed)
            made = align(tokenizer, pairs, initial, seed=self.plan.seed, report=self.say)
            save_file({"tokens": made}, f"{file}.building")
            os.replace(f"{file}.building", file)
        return load_file(file)["tokens"]

    def misses(self, student: Student, corpus: Corpus) -> dict[str, list[str]]:
        """Find near misses with the transplanted student."""

        def make() -> dict[str, list[str]]:
            made = mine(student, corpus, self.plan.seed)
            self.say(f"near misses found for {sum(map(bool, made.values()))} questions")
            return made

        found: dict[str, list[str]] = self.kept("misses.json", make)
        return found

    def measure(self, student: Student) -> None:
        """Print the quick development figures; the full ones come from the bench."""
        figures = evaluate_model(student.encode, student.encode, BenchData.read(self.data, quick=True))
        for name, value in figures.items():
            if not name.endswith(("@1", "@5")):
                self.say(f"{name:28} {value:.3f}")


def _english(corpus: Corpus) -> list[str]:
    texts = [english for pairs in corpus.pairs.values() for english, _ in pairs]
    texts += [group[0].passage for group in corpus.english]
    return texts + [example.query for group in corpus.english for example in group]


def _indonesian(corpus: Corpus) -> list[str]:
    texts = [text for _, paragraphs, _ in corpus.news for text in paragraphs]
    texts += [text for article in corpus.articles[:VOCABULARY_ARTICLES] for text in article]
    texts += [indonesian for pairs in corpus.pairs.values() for _, indonesian in pairs]
    return texts + [group[0].passage for group in corpus.indonesian]


def _equivalent(corpus: Corpus, chance: np.random.Generator) -> Iterator[TextPair]:
    """Yield texts that mean the same, or that belong together, for the alignment."""
    for name, pairs in corpus.pairs.items():
        limit = ALIGNMENT_LIMITS.get(name)
        drawn = [pairs[number] for number in chance.permutation(len(pairs))[:limit]]
        yield from drawn * ALIGNMENT_REPEATS.get(name, 1)
    for group in corpus.translated:
        yield from ((english.query, indonesian.passage) for english, indonesian in group)
        yield from ((english.query, indonesian.query) for english, indonesian in group)
        yield from [(group[0][0].passage, group[0][1].passage)] * 2
    for examples in corpus.indonesian:
        yield from ((example.query, example.passage) for example in examples)
    yield from corpus.articles[:ALIGNMENT_TITLES]


def _explained(glosses: Glosses) -> Iterator[TextPair]:
    """Yield words with their glosses for the alignment, the commonest gloss most often."""
    for word, found in glosses.items():
        for place, gloss in enumerate(found):
            yield from [(gloss, word)] * max(GLOSS_REPEATS - place, 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the recipe; return the exit code."""
    plan = Plan()
    parser = recipe_parser("embeddings.training.encoder", __doc__, steps=plan.steps, seed=plan.seed)
    options = parser.parse_args(arguments)
    plan = replace(plan, steps=options.steps, seed=options.seed)
    return run_recipe(lambda: Recipe(options.data, options.out, plan).run(), options.out)


if __name__ == "__main__":
    sys.exit(main())
