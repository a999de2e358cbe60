"""What the encoder is fine-tuned on: batches of texts that belong together, drawn from the training data.

Every batch is of one task and one pair of languages, so that a wrong passage cannot be told by its language. The
lexicon turns queries, or passages, into the other language word by word where no translation exists.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from embeddings.glosses import Glosses
from embeddings.training.data import (
    Example,
    TextPair,
    encyclopedia,
    examples,
    held_back,
    news_articles,
    normalised,
    parallel,
    read_rows,
)
from embeddings.training.written import Question, read_questions, to_indonesian

Item = TypeVar("Item")

BATCH = 64
"""Questions a batch; short texts come in multiples of it."""
NEIGHBOURS = 8
"""Written questions of a batch that are about like things: the wrong passages are then near misses of each other."""
PASSAGE_WORDS = 64
LEAD_WORDS = 48
QUERY_WORDS = 24
GIST_SHARE = 0.15
"""How many batches of the written task ask by the gist instead of the question."""
PART_SHARE = 0.3
"""How many of their passages are cut to ``PASSAGE_WORDS``, the part drawn at random."""
TITLE_SHARE = 0.3
"""How many of the encyclopedia's follow their title, as passages of an index do."""
MIX_RATE = 0.8
"""Share of the words with known translations that are replaced in a mixed text."""
WIKI_ARTICLES = 100_000
SHORTEST_PARAGRAPH = 12
"""Words; shorter paragraphs of news are captions and links."""

TASK_WEIGHTS = {
    "written": 14.0,
    "squad_en_id": 2.0,
    "squad_en": 2.0,
    "reading_id": 2.5,
    "titles": 1.0,
    "news": 1.0,
    "parallel": 3.0,
}
"""How often each task is drawn."""

PARALLEL_WEIGHTS = {
    "geovedi": 4.0,
    "tico19": 3.0,
    "talpco": 0.3,
    "nusax": 0.7,
    "tatoeba_anki": 1.0,
    "gnome_docs": 0.5,
    "quran": 0.5,
    "pud": 1.0,
    "gmmlu_q": 3.0,
    "gmmlu_choice": 0.8,
    "squad_mt": 1.0,
    "wiktionary_dictionary": 1.0,
    "squad_passages": 1.0,
}
"""How often each parallel set is drawn: news and talks most, archaic and everyday text least."""
CONSECUTIVE = frozenset({"geovedi", "tico19", "quran", "pud"})
"""Sets whose rows follow each other in a text, so that two or three make a passage."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Queries with the passage that belongs to each, in the same order, and near misses or none.

    There may be several rounds of queries over the same passages, since a passage costs several times as much as a
    query: query ``i`` belongs to passage ``i % len(passages)``. ``english_queries`` and ``english_passages`` say the
    same in English, in the same order, for the teacher to look at; they are empty where there is no such text.
    """

    task: str
    queries: list[str]
    passages: list[str]
    misses: list[str] = field(default_factory=list)
    english_queries: list[str] = field(default_factory=list)
    english_passages: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Corpus:
    """The training texts. Questions stand in groups that share a passage, so that a batch takes one of each."""

    translated: list[list[tuple[Example, Example]]]
    english: list[list[Example]]
    indonesian: list[list[Example]]
    written: list[Question]
    articles: list[tuple[str, str]]
    news: list[tuple[str, list[str], list[str]]]
    pairs: dict[str, list[TextPair]]

    @classmethod
    def read(cls, data: Path, seed: int) -> Self:
        """Read everything that may be trained on from a data folder.

        Raises:
            DataError: a file is missing or malformed.
        """
        questions = read_questions(data)
        held = held_back(data) | {
            normalised(text)
            for question in questions
            if question.development
            for text in (question.english, question.indonesian, *question.paragraphs)
        }
        chance = np.random.default_rng(seed)
        rows = read_rows(data, "reading/squad_en_id.train")
        translated = [
            (english[0], indonesian[0])
            for row in rows
            if (english := examples([row], held, "_en")) and (indonesian := examples([row], held, "_id"))
        ]
        idk_mrc, facqa, squad = (
            examples(read_rows(data, f"reading/{name}.train"), held)
            for name in ("idk_mrc", "facqa", "squad_en")
        )
        articles = [
            (title, paragraphs[0])
            for title, paragraphs in encyclopedia(data)
            if paragraphs and normalised(paragraphs[0]) not in held
        ]
        drawn = chance.permutation(len(articles))[:WIKI_ARTICLES]
        news = []
        for headline, paragraphs, summary in news_articles(data):
            whole = [
                text
                for text in paragraphs
                if len(text.split()) >= SHORTEST_PARAGRAPH and normalised(text) not in held
            ]
            if len(whole) >= 3:
                news.append((headline, whole, sentences(summary)))
        return cls(
            _grouped(translated, lambda pair: pair[1].passage),
            _grouped(squad, lambda example: example.passage),
            _grouped([*idk_mrc, *facqa], lambda example: example.passage),
            [
                question
                for question in questions
                if held.isdisjoint(
                    map(normalised, (question.english, question.indonesian, *question.paragraphs))
                )
            ],
            [articles[number] for number in drawn],
            news,
            parallel(data, held),
        )


class Tasks:
    """Draws batches from a corpus; the generator that is passed decides which."""

    def __init__(
        self, corpus: Corpus, glosses: Glosses, misses: Mapping[str, list[str]], alike: NDArray[np.int64]
    ) -> None:
        """Take what the batches are made of.

        Args:
            corpus: the training texts.
            glosses: English for Indonesian words, by which texts are mixed.
            misses: wrong passages by question, nearest first; questions without any are allowed.
            alike: for every written question the others that are about the most similar things, ``(written, any)``.
        """
        self.corpus = corpus
        passages = {one.passage: other.passage for group in corpus.translated for one, other in group}
        self.pairs = corpus.pairs | {"squad_passages": list(passages.items())}
        self.to_english = glosses
        self.to_indonesian = to_indonesian(glosses)
        self.misses = misses
        self.alike = alike

    def draw(self, chance: np.random.Generator) -> Batch:
        """Return a batch of a task drawn by ``TASK_WEIGHTS``."""
        names = list(TASK_WEIGHTS)
        weights = np.array(list(TASK_WEIGHTS.values()))
        task = names[int(chance.choice(len(names), p=weights / weights.sum()))]
        makers: dict[str, Callable[[np.random.Generator], Batch]] = {
            "written": self._written,
            "squad_en_id": self._translated,
            "squad_en": self._english,
            "reading_id": self._indonesian,
            "titles": self._titles,
            "news": self._news,
            "parallel": self._parallel,
        }
        return makers[task](chance)

    def _written(self, chance: np.random.Generator) -> Batch:
        """Written questions in both languages, or gists, to the passage; several about like things."""
        chosen: dict[int, Question] = {}
        for first in chance.permutation(len(self.corpus.written)):
            near = chance.permutation(self.alike[first])[: NEIGHBOURS - 1]
            chosen.update({int(number): self.corpus.written[number] for number in (first, *near)})
            if len(chosen) >= BATCH:
                break
        asked = list(chosen.values())[:BATCH]
        passages = [self._shown(question, chance) for question in asked]
        if chance.random() < GIST_SHARE:
            gists = [question.gist for question in asked]
            return Batch("gists", gists, passages, [], gists)
        english = [question.english for question in asked]
        both = english + [question.indonesian for question in asked]
        return Batch("written", both, passages, [], english * 2)

    def _shown(self, question: Question, chance: np.random.Generator) -> str:
        """Return the passage, at times after its title, as an index has it, or only a part of a long one."""
        text = question.passage
        if chance.random() < PART_SHARE:
            text = window(Example("", text, int(chance.integers(len(text)))), chance)
        return f"{question.title}. {text}" if question.title and chance.random() < TITLE_SHARE else text

    def _translated(self, chance: np.random.Generator) -> Batch:
        """English and Indonesian questions to the Indonesian passage, sometimes Indonesian ones to the English one."""
        chosen = [_one(group, chance) for group in _some(self.corpus.translated, BATCH, chance)]
        english, indonesian = ([pair[side].query for pair in chosen] for side in (0, 1))
        if chance.random() < 0.25:
            passages = [window(pair[0], chance) for pair in chosen]
            return Batch("squad_en_id", indonesian, passages, [], english, passages)
        passages = [window(pair[1], chance) for pair in chosen]
        misses = self._near_misses([pair[1] for pair in chosen], chance)
        return Batch("squad_en_id", english + indonesian, passages, misses, english * 2)

    def _english(self, chance: np.random.Generator) -> Batch:
        """English to English, or to the passage in word-by-word Indonesian."""
        chosen = [_one(group, chance) for group in _some(self.corpus.english, BATCH, chance)]
        queries = [example.query for example in chosen]
        english, misses = [window(example, chance) for example in chosen], self._near_misses(chosen, chance)
        passages = english
        if chance.random() < 0.5:
            passages, misses = (
                [mix(text, self.to_indonesian, MIX_RATE, chance) for text in texts]
                for texts in (english, misses)
            )
        return Batch("squad_en", queries, passages, misses, queries, english)

    def _indonesian(self, chance: np.random.Generator) -> Batch:
        """Indonesian to Indonesian, or the question in word-by-word English."""
        chosen = [_one(group, chance) for group in _some(self.corpus.indonesian, BATCH, chance)]
        queries = self._maybe_english([example.query for example in chosen], chance)
        passages = [window(example, chance) for example in chosen]
        return Batch("reading_id", queries, passages, self._near_misses(chosen, chance))

    def _titles(self, chance: np.random.Generator) -> Batch:
        """The title of an encyclopedia article to its first paragraph."""
        chosen = _some(self.corpus.articles, 2 * BATCH, chance)
        queries = self._maybe_english([title for title, _ in chosen], chance)
        passages = [
            window(Example("", lead, int(chance.integers(len(lead) + 1))), chance, LEAD_WORDS)
            for _, lead in chosen
        ]
        return Batch("titles", queries, passages)

    def _news(self, chance: np.random.Generator) -> Batch:
        """A headline or summary to the article's beginning, or a sentence to the paragraphs around it."""
        queries, passages = [], []
        for headline, paragraphs, summary in _some(self.corpus.news, BATCH, chance):
            kind = chance.random()
            if kind < 0.5:
                first = int(chance.integers(len(paragraphs) - 1))
                query = headline if kind < 0.25 else _one(summary, chance)
                passage = (
                    " ".join(paragraphs[first : first + 2]) if kind >= 0.25 else " ".join(paragraphs[:2])
                )
            else:
                place = int(chance.integers(len(paragraphs)))
                query = _one(sentences(paragraphs[place]), chance)
                around = paragraphs[max(0, place - 1) : place] + paragraphs[place + 1 : place + 2]
                passage = " ".join(around)
            queries.append(window(Example("", query), chance, QUERY_WORDS))
            passages.append(window(Example("", passage), chance))
        return Batch("news", self._maybe_english(queries, chance), passages)

    def _parallel(self, chance: np.random.Generator) -> Batch:
        """English to its translation, a sentence or several that follow each other."""
        names = [name for name in PARALLEL_WEIGHTS if self.pairs.get(name)]
        weights = np.array([PARALLEL_WEIGHTS[name] for name in names])
        english, indonesian = [], []
        for number in chance.choice(len(names), 2 * BATCH, p=weights / weights.sum()):
            pairs = self.pairs[names[number]]
            first = int(chance.integers(len(pairs)))
            length = (
                int(chance.integers(2, 4)) if names[number] in CONSECUTIVE and chance.random() < 0.3 else 1
            )
            part = pairs[first : first + length]
            english.append(" ".join(pair[0] for pair in part))
            indonesian.append(" ".join(pair[1] for pair in part))
        return Batch("parallel", english, indonesian, [], english, english)

    def _maybe_english(self, queries: list[str], chance: np.random.Generator) -> list[str]:
        if chance.random() < 0.5:
            return queries
        return [mix(query, self.to_english, MIX_RATE, chance) for query in queries]

    def _near_misses(self, chosen: Sequence[Example], chance: np.random.Generator) -> list[str]:
        found = [self.misses.get(example.query) for example in chosen]
        return [window(Example("", _one(texts, chance)), chance) for texts in found if texts]


def mix(text: str, lexicon: Glosses, rate: float, chance: np.random.Generator) -> str:
    """Return ``text`` with about ``rate`` (0 to 1) of its words that have translations replaced by one of them."""

    def replace(match: re.Match[str]) -> str:
        known = lexicon.get(match[0].lower())
        return known[int(chance.integers(len(known)))] if known and chance.random() < rate else match[0]

    return re.sub(r"[^\W\d_]+", replace, text)


def window(example: Example, chance: np.random.Generator, words: int = PASSAGE_WORDS) -> str:
    """Return ``words`` consecutive words of the passage, among them the one at ``start``; all if it is shorter."""
    found = list(re.finditer(r"\S+", example.passage))
    if len(found) <= words:
        return example.passage
    at = next((number for number, match in enumerate(found) if match.end() > example.start), 0)
    first = max(0, min(at - int(chance.integers(words)), len(found) - words))
    return example.passage[found[first].start() : found[first + words - 1].end()]


def sentences(text: str) -> list[str]:
    """Split roughly, at full stops followed by a space; never empty."""
    return re.split(r"(?<=[.!?]) ", text)


def _grouped(items: Iterable[Item], key: Callable[[Item], str]) -> list[list[Item]]:
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())


def _one(items: Sequence[Item], chance: np.random.Generator) -> Item:
    return items[int(chance.integers(len(items)))]


def _some(items: Sequence[Item], wanted: int, chance: np.random.Generator) -> list[Item]:
    """Draw different items, all of them in random order if there are fewer."""
    return [items[number] for number in chance.permutation(len(items))[:wanted]]
