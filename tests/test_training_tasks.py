"""What the encoder is fine-tuned on: mixed languages, near misses, batches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from embeddings.training import mining as mining_module
from embeddings.training import tasks as tasks_module
from embeddings.training.data import Example
from embeddings.training.mining import alike, mine
from embeddings.training.student import Student
from embeddings.training.tasks import TASK_WEIGHTS, Batch, Corpus, Tasks, mix
from embeddings.training.written import Question
from tests.training_samples import (
    ENGLISH,
    INDONESIAN,
    TRANSLATIONS,
    one_side,
    read_tables_of,
    reading_row,
    write_rows,
    write_tables,
    write_training_data,
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    data = write_tables(write_training_data(tmp_path_factory.mktemp("data")))
    with pytest.MonkeyPatch.context() as patch:
        read_tables_of(data, patch)
        return Corpus.read(data, seed=1)


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
    glosses = {other: (english,) for english, other in TRANSLATIONS.items()}
    groups = [
        *corpus.english,
        *corpus.indonesian,
        *([pair[1] for pair in group] for group in corpus.translated),
    ]
    misses = {example.query: [f"Bukan {example.query}"] for group in groups for example in group}
    others = [
        [other for other in range(len(corpus.written)) if other != one] for one in range(len(corpus.written))
    ]
    return Tasks(corpus, glosses, misses, np.array(others))


def batches(tasks: Tasks, name: str, monkeypatch: pytest.MonkeyPatch, count: int = 12) -> list[Batch]:
    monkeypatch.setattr(tasks_module, "TASK_WEIGHTS", dict.fromkeys(TASK_WEIGHTS, 0.0) | {name: 1.0})
    return [tasks.draw(np.random.default_rng((3, step))) for step in range(count)]


def test_the_same_seed_and_step_draw_the_same_batch(corpus: Corpus) -> None:
    tasks, again = make_tasks(corpus), make_tasks(corpus)
    drawn = [tasks.draw(np.random.default_rng((5, step))) for step in range(90)]
    # Drawn in another order, as after going on from a checkpoint.
    assert drawn[20:] == [again.draw(np.random.default_rng((5, step))) for step in range(20, 90)]
    assert {batch.task for batch in drawn} == {*TASK_WEIGHTS, "gists"}
    assert drawn[0] != tasks.draw(np.random.default_rng((6, 0)))
    for batch in drawn:
        assert len(batch.queries) in (len(batch.passages), 2 * len(batch.passages))
        assert len(batch.misses) <= len(batch.passages) > 0
        assert len(batch.english_queries) in (0, len(batch.queries))
        assert len(batch.english_passages) in (0, len(batch.passages))


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
        count = len(batch.passages)
        rounds = [batch.queries[start : start + count] for start in range(0, len(batch.queries), count)]
        (answering,) = languages(batch.passages)
        asking = tuple(next(iter(languages(queries))) for queries in rounds)
        assert all(len(languages(queries)) == 1 for queries in rounds)
        seen.add((*asking, answering))
        for queries in rounds:
            for query, passage in zip(queries, batch.passages, strict=True):
                assert passage in right[query]
        # Near misses are Indonesian, which would tell them from English passages at once.
        assert len(batch.misses) == (count if answering == "id" else 0)
        for queries in (batch.english_queries[:count], batch.english_queries[-count:]):
            assert languages(queries) == {"en"}
            assert [right[query] for query in queries] == [right[query] for query in rounds[0]]
    assert seen == {("en", "id", "id"), ("id", "en")}


def test_written_questions_ask_in_both_languages_or_by_the_gist(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = {question.passage: question for question in corpus.written}
    assert any(len(question.paragraphs) == 2 for question in corpus.written)
    seen, some_titled = set(), False
    for batch in batches(make_tasks(corpus), "written", monkeypatch, 30):
        seen.add(batch.task)
        asked = [next(about[known] for known in about if text.endswith(known)) for text in batch.passages]
        assert len(set(batch.passages)) == len(batch.passages) == len(corpus.written)
        if batch.task == "gists":
            assert batch.queries == batch.english_queries == [question.gist for question in asked]
        else:
            english = [question.english for question in asked]
            assert batch.queries == english + [question.indonesian for question in asked]
            assert batch.english_queries == english * 2
        shown = zip(batch.passages, asked, strict=True)
        titled = [
            question.title for text, question in shown if text == f"{question.title}. {question.passage}"
        ]
        plain = sum(text == question.passage for text, question in zip(batch.passages, asked, strict=True))
        assert all(titled)
        assert len(titled) + plain == len(asked)
        some_titled |= 0 < len(titled) < plain
    assert seen == {"written", "gists"}
    assert some_titled


def test_long_written_passages_are_cut_at_times(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(f"kata{number}" for number in range(100))
    long = replace(corpus, written=[Question("Why ?", "Mengapa ?", "Gist .", (text,), "", False)])
    lengths = [
        len(batch.passages[0].split()) for batch in batches(make_tasks(long), "written", monkeypatch, 40)
    ]
    assert set(lengths) == {100, tasks_module.PASSAGE_WORDS}


def test_a_batch_of_written_questions_holds_neighbours(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks_module, "BATCH", 12)
    monkeypatch.setattr(tasks_module, "NEIGHBOURS", 4)
    many = [Question(f"What {n} ?", f"Apa {n} ?", f"{n}", (f"teks {n}",), "", False) for n in range(60)]
    tasks = make_tasks(replace(corpus, written=many))
    # Each is about the same as the others of its ten.
    tasks.alike = np.array([[ten * 10 + other for other in range(10)] for ten in range(6) for _ in range(10)])
    monkeypatch.setattr(tasks_module, "TASK_WEIGHTS", dict.fromkeys(TASK_WEIGHTS, 0.0) | {"written": 1.0})
    for step in range(10):
        numbers = [int(text.split()[-1]) for text in tasks.draw(np.random.default_rng(step)).passages]
        assert len(set(numbers)) == 12
        tens = [number // 10 for number in numbers]
        assert len(set(tens)) <= 5
        assert max(map(tens.count, tens)) >= 3


def test_questions_alike_are_the_nearest_by_gist(monkeypatch: pytest.MonkeyPatch) -> None:
    gists = ["rice price market", "rice price", "ship wave", "rice", "ship wave fish fish fish"]
    questions = [Question("?", "?", gist, (gist,), "", False) for gist in gists]
    monkeypatch.setattr(mining_module, "ALIKE", 2)
    monkeypatch.setattr(mining_module, "QUESTIONS", 2)
    found = alike(ByWords(), questions)
    assert found[:, 0].tolist() == [1, 0, 4, 1, 2]
    assert found[0].tolist() == [1, 3]
    assert alike(ByWords(), questions[:1]).shape == (1, 0)


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
