"""What the encoder is fine-tuned on: mixed languages, near misses, batches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from embeddings.training import mining as mining_module
from embeddings.training import tasks as tasks_module
from embeddings.training.data import Example
from embeddings.training.lexicon import make_lexicon, mix
from embeddings.training.mining import mine
from embeddings.training.student import Student
from embeddings.training.tasks import TASK_WEIGHTS, Batch, Corpus, Tasks
from tests.training_samples import (
    ENGLISH,
    INDONESIAN,
    TRANSLATIONS,
    one_side,
    reading_row,
    write_rows,
    write_training_data,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_training_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def corpus(data: Path) -> Corpus:
    return Corpus.read(data, seed=1)


def test_a_lexicon_lists_the_nearest_words_best_first() -> None:
    words = ["beras", "nasi", "kapal", "rice", "cooked", "ship", "boat"]
    vectors = np.array(
        [[1, 0, 0.05], [0, 0, 1], [0, 1, 0], [1, 0, 0], [-1, -1, -1], [0, 1, 0.1], [0, 1, 0.4]],
        dtype=np.float32,
    )
    found = make_lexicon(words, vectors, np.array([0, 1, 2]), np.array([3, 4, 5, 6]))
    # Nothing is near enough to "nasi"; "cooked" is near nothing; "boat" is close behind "ship".
    assert found == {"beras": ("rice",), "kapal": ("ship", "boat")}


def test_a_word_that_everything_is_near_to_is_not_everyones_translation() -> None:
    # "thing" is near to all; "ship" is a little further from "kapal" but near to it alone.
    words = ["kapal", "beras", "ikan", "thing", "ship", "rice", "fish"]
    apart = np.eye(3, dtype=np.float32)
    vectors = np.vstack([apart + 0.6, [[1, 1, 1]], apart])
    found = make_lexicon(words, vectors, np.arange(3), np.arange(3, 7))
    assert [found[word][0] for word in words[:3]] == ["ship", "rice", "fish"]


def test_mixing_replaces_the_wanted_share_and_leaves_the_rest_as_it_is() -> None:
    lexicon = {word: (f"<{word}>",) for word in ("harga", "beras", "pasar")}
    text = 'Harga beras "Contoh" di Pasar-Induk: Rp 14.500/kg (24/4), naik 2%…\n'
    everything = mix(text, lexicon, 1.0, np.random.default_rng(0))
    assert everything == '<harga> <beras> "Contoh" di <pasar>-Induk: Rp 14.500/kg (24/4), naik 2%…\n'
    assert mix(text, lexicon, 0.0, np.random.default_rng(0)) == text
    long = "beras unik " * 2_000
    mixed = mix(long, lexicon, 0.3, np.random.default_rng(0)).split()
    assert mixed.count("unik") == 2_000
    assert 0.26 < mixed.count("<beras>") / 2_000 < 0.34
    both = mix("beras " * 200, {"beras": ("rice", "paddy")}, 1.0, np.random.default_rng(0)).split()
    assert set(both) == {"rice", "paddy"}


def test_mixing_replaces_whole_words_in_any_case() -> None:
    lexicon = {"beras": ("rice",), "asal": ("origin",)}
    assert mix("berasal BERAS Asal.", lexicon, 1.0, np.random.default_rng(0)) == "berasal rice origin."


class ByWords(Student):
    """A student with a meaning: a direction a word of the artificial language, so that cosine counts shared words."""

    def __init__(self) -> None:
        pass

    def encode(self, texts: list[str]) -> np.ndarray:
        known = [*ENGLISH, *INDONESIAN]
        rows = np.array([[text.split().count(word) for word in known] + [0.1] for text in texts])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_near_misses_are_sought_in_the_language_of_the_question(corpus: Corpus) -> None:
    found = mine(ByWords(), corpus, seed=1)
    indonesian = [pair[1] for group in corpus.translated for pair in group]
    indonesian += [example for group in corpus.indonesian for example in group]
    english = [example for group in corpus.english for example in group]
    assert set(found) == {example.query for example in [*indonesian, *english]}
    crowd = {lead for _, lead in corpus.articles}
    crowd |= {text for _, paragraphs, _ in corpus.news for text in paragraphs}
    for asked, pool in (
        (indonesian, crowd | {example.passage for example in indonesian}),
        (english, {example.passage for example in english}),
    ):
        for example in asked:
            assert len(found[example.query]) == mining_module.KEPT
            assert set(found[example.query]) <= pool - {example.passage}
    assert crowd & {text for texts in found.values() for text in texts}


@pytest.mark.parametrize(("depth", "wanted"), [(40, 5), (3, 2)])
def test_near_misses_come_nearest_first(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch, depth: int, wanted: int
) -> None:
    monkeypatch.setattr(mining_module, "DEPTH", depth)  # its own passage is among the three nearest
    nearest = ["a fish boat ship", "a fish boat", "a ship", "a boat rice rice rice", "a judge"]
    asked = Example("fish boat ship", "fish boat ship 9", 15, "9")
    others = [Example(f"why {text}", text, 0, text) for text in reversed(nearest)]
    small = replace(corpus, english=[[example] for example in [*others, asked]])
    assert mine(ByWords(), small, seed=1)[asked.query] == nearest[:wanted]


def test_the_right_passage_is_no_near_miss_even_where_its_answer_is_part_of_a_word(corpus: Corpus) -> None:
    asked = Example("Apa yang naik ?", "harga berasnya naik", 6, "beras")
    other = Example("Apa yang turun ?", "harga ikannya turun", 6, "ikan")
    small = replace(corpus, english=[[asked], [other]])
    assert mine(ByWords(), small, seed=1)[asked.query] == [other.passage]


def test_a_passage_with_the_answer_is_no_near_miss(corpus: Corpus) -> None:
    example = Example("What is the rice price ?", "The price is Rp 7,5 .", 16, "7,5")
    told, untold = "Rice: the price is 7.5 today .", "The rice price is 17,5 today ."
    pool = [example, Example("Why ?", told, 0, "Rice"), Example("How ?", untold, 18, "17,5")]
    small = replace(corpus, english=[[one] for one in pool])
    assert mine(ByWords(), small, seed=1)[example.query] == [untold]


def test_a_question_asked_of_two_passages_has_no_near_miss_that_answers_it(corpus: Corpus) -> None:
    asked = [
        Example("When was the match ?", "The match was in 1950 .", 17, "1950"),
        Example("When was the match ?", "The match was in 1972 .", 17, "1972"),
    ]
    others = [Example(f"What is {word} ?", f"The {word} is old .", 0, "old") for word in ENGLISH[:5]]
    small = replace(corpus, english=[[one] for one in [*asked, *others]])
    found = mine(ByWords(), small, seed=1)[asked[0].query]
    assert {example.passage for example in asked}.isdisjoint(found)


def make_tasks(corpus: Corpus) -> Tasks:
    """Tasks that translate word by word as the artificial language does."""
    to_indonesian = {english: (other,) for english, other in TRANSLATIONS.items()}
    to_english = {other: (english,) for english, other in TRANSLATIONS.items()}
    groups = [
        *corpus.english,
        *corpus.indonesian,
        *([pair[1] for pair in group] for group in corpus.translated),
    ]
    misses = {example.query: [f"Bukan {example.query}"] for group in groups for example in group}
    return Tasks(corpus, to_english, to_indonesian, misses)


def batches(tasks: Tasks, name: str, monkeypatch: pytest.MonkeyPatch, count: int = 12) -> list[Batch]:
    monkeypatch.setattr(tasks_module, "TASK_WEIGHTS", dict.fromkeys(TASK_WEIGHTS, 0.0) | {name: 1.0})
    return [tasks.draw(np.random.default_rng((3, step))) for step in range(count)]


def test_the_same_seed_and_step_draw_the_same_batch(corpus: Corpus) -> None:
    tasks, again = make_tasks(corpus), make_tasks(corpus)
    drawn = [tasks.draw(np.random.default_rng((5, step))) for step in range(90)]
    # Drawn in another order, as after going on from a checkpoint.
    assert drawn[20:] == [again.draw(np.random.default_rng((5, step))) for step in range(20, 90)]
    assert {batch.task for batch in drawn} == set(TASK_WEIGHTS)
    assert drawn[0] != tasks.draw(np.random.default_rng((6, 0)))
    for batch in drawn:
        assert len(batch.queries) == len(batch.passages) > 0
        assert len(batch.misses) <= len(batch.queries)


def test_a_batch_holds_one_question_of_a_passage(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    passage = "Soal laga adalah 12 dan 13 ."
    many = [Example(f"Berapa laga {number} ?", passage, 17, "12") for number in range(30)]
    crowded = replace(corpus, indonesian=[*corpus.indonesian, many])
    drawn = batches(make_tasks(crowded), "reading_id", monkeypatch)
    assert all(batch.passages.count(passage) == 1 for batch in drawn)
    # Which of its questions is drawn anew each time.
    asked = {batch.queries[batch.passages.index(passage)].split()[2] for batch in drawn}
    assert len(asked) > 3


def test_questions_of_a_passage_are_grouped_when_read(tmp_path: Path) -> None:
    data = write_training_data(tmp_path)
    row = one_side(reading_row(5, "judge court", "hakim sidang"), "id")
    write_rows(data, "reading/facqa.train", [row, one_side(reading_row(6, "fish", "ikan"), "id")])
    write_rows(data, "reading/idk_mrc.train", [row | {"question": "Siapa hakim ?"}])
    groups = Corpus.read(data, seed=1).indonesian
    assert [[example.query for example in group] for group in groups] == [
        ["Siapa hakim ?", "Apa hakim sidang ?"],
        ["Apa ikan ?"],
    ]


def languages(texts: list[str]) -> set[str]:
    """Which of the two languages the words of the texts are of."""
    words = {word for text in texts for word in text.split()}
    return {name for name, known in (("en", ENGLISH), ("id", INDONESIAN)) if words & set(known)}


def test_translated_batches_are_of_one_pair_of_languages(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = {
        pair[side].query: (pair[0].passage, pair[1].passage)
        for group in corpus.translated
        for pair in group
        for side in (0, 1)
    }
    seen = set()
    for batch in batches(make_tasks(corpus), "squad_en_id", monkeypatch, 30):
        asking, answering = languages(batch.queries), languages(batch.passages)
        assert len(asking) == len(answering) == 1
        seen.add((*asking, *answering))
        for query, passage in zip(batch.queries, batch.passages, strict=True):
            assert passage in right[query]
        # Near misses are Indonesian, which would tell them from English passages at once.
        assert len(batch.misses) == (len(batch.queries) if answering == {"id"} else 0)
    assert seen == {("en", "id"), ("id", "id"), ("id", "en")}


def test_english_passages_and_their_near_misses_change_language_together(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks_module, "MIX_RATE", 1.0)
    seen = []
    for batch in batches(make_tasks(corpus), "squad_en", monkeypatch):
        assert languages(batch.queries) == {"en"}
        assert languages(batch.passages) == languages(batch.misses)
        seen += languages(batch.passages)
    assert set(seen) == {"en", "id"}


def test_indonesian_questions_turn_english_at_times(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks_module, "MIX_RATE", 1.0)
    for name in ("reading_id", "titles", "news"):
        drawn = batches(make_tasks(corpus), name, monkeypatch)
        assert all(languages(batch.passages) == {"id"} for batch in drawn)
        assert {tuple(languages(batch.queries)) for batch in drawn} == {("en",), ("id",)}


def test_titles_meet_their_lead(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    leads = dict(corpus.articles)
    monkeypatch.setattr(tasks_module, "LEAD_WORDS", 5)
    for batch in batches(make_tasks(corpus), "titles", monkeypatch):
        for title, passage in zip(batch.queries, batch.passages, strict=True):
            assert passage in leads[TRANSLATIONS.get(title, title)]
            assert len(passage.split()) == 5


def test_a_sentence_of_news_is_not_in_its_own_passage(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"Kalimat {number} {'kata ' * 12}tamat." for number in range(6)]
    small = replace(corpus, news=[("judul laga", texts, ["Ringkasan laga."])])
    kinds = set()
    for batch in batches(make_tasks(small), "news", monkeypatch, 60):
        (query,), (passage,) = batch.queries, batch.passages
        found = [number for number in range(6) if f"Kalimat {number} " in passage]
        kind = query.split()[0]
        kinds.add(kind)
        if kind == "Kalimat":
            number = int(query.split()[1])
            assert found == [near for near in (number - 1, number + 1) if 0 <= near < 6]
        elif kind == "judul":
            assert found == [0, 1]
    assert {"Kalimat", "judul", "Ringkasan"} <= kinds


def test_parallel_sentences_of_running_text_are_joined_in_step(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = [(f"one{number}", f"satu{number}") for number in range(50)]
    single = [(f"two{number}", f"dua{number}") for number in range(50)]
    small = replace(corpus, translated=[], pairs={"geovedi": running, "gmmlu_q": single})
    lengths = set()
    for batch in batches(make_tasks(small), "parallel", monkeypatch, 3):
        for english, indonesian in zip(batch.queries, batch.passages, strict=True):
            assert indonesian == english.replace("one", "satu").replace("two", "dua")
            numbers = [int(word[3:]) for word in english.split()]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            lengths.add((english[:3], len(numbers)))
    assert lengths == {("one", 1), ("one", 2), ("one", 3), ("two", 1)}
