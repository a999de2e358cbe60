"""The reader of exact words: spans of all passages compete, those that say the same stand together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from conftest import make_article

from qa.reader import FEATURES, PassageReader, SpanReader
from qa.spans import Passage, ScoredSpan
from qa.types import Article, Chunk, Hit

TALKS = make_article(
    "Menteri Luar Negeri Rusia Sergei Lavrov menengahi pembicaraan Armenia dan Azerbaijan. "
    "Pertemuan digelar di Moskow. Kedua negara berselisih karena wilayah perbatasan.",
    "talks.txt",
    title="Rusia Tengahi Pembicaraan",
)
OTHER = make_article("Lavrov bertemu kedua menteri di Moskow pada Jumat.", "other.txt")
THIRD = make_article("Sekjen Stanislav Zas mengirim misi ke Armenia.", "third.txt")


class Marked:
    """Finds the words it was told to, with the odds it was told."""

    def __init__(self, odds: dict[str, float]) -> None:
        self.odds = odds
        self.seen: list[Passage] = []

    def score(self, question: str, passages: Sequence[Passage]) -> list[ScoredSpan]:
        self.seen = list(passages)
        found = [
            ScoredSpan(number, passage.text.index(words), passage.text.index(words) + len(words), odds)
            for number, passage in enumerate(passages)
            for words, odds in self.odds.items()
            if words in passage.text
        ]
        return sorted(found, key=lambda span: -span.odds)


def hit(article: Article, score: float = 0.5, start: int = 0, end: int | None = None) -> Hit:
    end = len(article.text) if end is None else end
    chunk = Chunk(f"{article.id}-{start}", article.id, start, article.text[start:end], start, end)
    return Hit(chunk, article, score, "both")


def reader(**odds: float) -> SpanReader:
    return SpanReader(
        Marked({words.replace("_", " "): value for words, value in odds.items()}), lambda word: 1.0
    )


def test_the_title_is_read_with_its_passage() -> None:
    found = reader(Moskow=1.0)
    found.read("Di mana?", "id", [hit(TALKS), hit(OTHER)])
    assert [passage.title for passage in found.model.seen] == ["Rusia Tengahi Pembicaraan", ""]


def test_spans_of_all_passages_compete_and_an_answer_keeps_its_place() -> None:
    found = reader(Moskow=2.0, Armenia=-3.0).read("Di mana?", "id", [hit(THIRD), hit(TALKS)])
    best = found.candidates[0]
    assert (best.text, best.place.hit.article.path) == ("Moskow", "talks.txt")
    assert TALKS.text[best.place.start : best.place.end] == "Moskow"
    assert not best.sentences
    probabilities = [candidate.probability for candidate in found.candidates]
    assert probabilities == sorted(probabilities, reverse=True)
    assert all(0 <= probability <= 1 for probability in probabilities)


def test_offsets_are_those_of_the_article_not_of_the_chunk() -> None:
    start = TALKS.text.index("Pertemuan")
    found = reader(Moskow=2.0).read("Di mana?", "id", [hit(TALKS, start=start)])
    assert found.candidates[0].place.text == "Moskow"


def test_passages_that_say_the_same_reinforce_each_other() -> None:
    hits = [hit(TALKS), hit(OTHER), hit(THIRD)]
    groups = reader(Sergei_Lavrov=1.0, Lavrov_bertemu=-9.0, Stanislav_Zas=1.2).groups("Siapa?", "id", hits)
    alone = {group.places[0].text: group.share for group in groups}
    assert alone["Stanislav Zas"] > alone["Sergei Lavrov"]
    both = SpanReader(
        Marked({"Sergei Lavrov": 1.0, "Lavrov": 1.0, "Stanislav Zas": 1.2}), lambda word: 1.0
    ).groups("Siapa?", "id", hits)
    assert [place.hit.article.path for place in both[0].places] == ["talks.txt", "talks.txt", "other.txt"]
    assert both[0].share > both[1].share
    assert sum(group.share for group in both) < 1  # the rest is that none answers


def test_a_mere_mention_is_not_cited() -> None:
    found = reader(Sergei_Lavrov=5.0, Lavrov_bertemu=-9.0).read("Siapa?", "id", [hit(TALKS), hit(OTHER)])
    weak = SpanReader(Marked({"Sergei Lavrov": 5.0, "Lavrov bertemu": 4.0, "Lavrov": -9.0}), lambda word: 1.0)
    assert found.candidates[0].others == ()
    assert weak.read("Siapa?", "id", [hit(TALKS), hit(OTHER)]).candidates[0].others == ()


def test_a_number_is_not_reinforced_by_another() -> None:
    text = make_article("Sebanyak 12 orang hadir dari 120 undangan.")
    groups = SpanReader(Marked({"12 orang": 1.0, "120": 1.0}), lambda word: 1.0).groups(
        "Berapa?", "id", [hit(text)]
    )
    assert len(groups) == 2


def test_a_place_that_two_chunks_share_counts_once() -> None:
    cut = TALKS.text.index("Kedua")
    once = reader(Moskow=1.0).groups("Di mana?", "id", [hit(TALKS, end=cut)])
    twice = reader(Moskow=1.0).groups("Di mana?", "id", [hit(TALKS, end=cut), hit(TALKS, start=30)])
    assert [len(group.places) for group in twice] == [1]
    assert twice[0].share == pytest.approx(once[0].share)


def test_the_retrieval_score_counts() -> None:
    hits = [hit(TALKS, 0.9), hit(THIRD, 0.1)]
    groups = reader(Sergei_Lavrov=1.0, Stanislav_Zas=1.0).groups("Siapa?", "id", hits)
    assert groups[0].places[0].text == "Sergei Lavrov"
    groups = reader(Sergei_Lavrov=1.0, Stanislav_Zas=1.0).groups(
        "Siapa?", "id", [hit(TALKS, 0.1), hit(THIRD, 0.9)]
    )
    assert groups[0].places[0].text == "Stanislav Zas"


def test_hits_come_back_by_what_was_read_in_them_and_none_is_lost() -> None:
    hits = [hit(OTHER), hit(THIRD), hit(TALKS)]
    found = reader(Stanislav_Zas=3.0, Moskow=1.0).read("Siapa?", "id", hits)
    assert found.hits[0].article.path == "third.txt"
    assert sorted(each.chunk.id for each in found.hits) == sorted(each.chunk.id for each in hits)


def test_without_passages_or_spans_there_is_nothing() -> None:
    assert reader(Moskow=1.0).read("Siapa?", "id", []).candidates == []
    silent = reader(Paris=1.0).read("Siapa?", "id", [hit(TALKS)])
    assert (silent.candidates, len(silent.hits)) == ([], 1)


def test_why_is_answered_with_sentences_in_reading_order() -> None:
    found = reader(wilayah_perbatasan=2.0).read(
        "Mengapa Armenia dan Azerbaijan berselisih?", "id", [hit(TALKS)]
    )
    best = found.candidates[0]
    places = [best.place, *best.others]
    assert best.sentences
    assert 1 <= len(places) <= 3
    assert [place.start for place in places] == sorted(place.start for place in places)
    assert "Kedua negara berselisih karena wilayah perbatasan." in best.text
    assert best.text == " ".join(place.text for place in places)


def test_yes_or_no_gets_the_sentence_and_no_verdict() -> None:
    found = reader(Moskow=2.0).read("Apakah Rusia menjadi tuan rumah?", "id", [hit(TALKS)])
    assert found.candidates[0].text == "Pertemuan digelar di Moskow."
    assert found.candidates[0].sentences


def test_features_have_their_names() -> None:
    hits = [hit(TALKS), hit(OTHER)]
    found = reader(Sergei_Lavrov=3.0, Moskow=1.0)
    groups = found.groups("Siapa yang menengahi pembicaraan Armenia?", "id", hits)
    features = found.features("Siapa yang menengahi pembicaraan Armenia?", "id", hits, groups)
    assert features.shape == (len(groups), len(FEATURES))
    assert np.isfinite(features).all()
    named = dict(zip(FEATURES, features[0], strict=True))
    assert named["span_odds"] == 3.0
    assert named["first_place"] == 1.0
    assert named["margin"] > 0
    assert named["passage_words"] == 1.0
    assert named["expected_kind"] == 1.0  # a person, for "siapa"


def test_a_passage_that_was_given_is_read_by_itself() -> None:
    found = PassageReader(Marked({"Moskow": 2.0, "Armenia": -2.0})).read("Mengapa?", "id", [hit(TALKS)])
    assert [candidate.text for candidate in found.candidates] == ["Moskow", "Armenia"]
    assert not found.candidates[0].sentences
    assert 0 < found.candidates[1].probability < found.candidates[0].probability < 1


def test_no_sentence_is_said_twice() -> None:
    article = make_article("Kapal tiba sore hari. Kapal pergi karena badai.\nBadai reda.", "kapal.txt")
    both = SpanReader(Marked({"sore hari. Kapal pergi": 5.0}), lambda word: 1.0)
    said = both.read("Mengapa kapal pergi?", "id", [hit(article)]).candidates[0]
    assert said.text.count("Kapal pergi") == 1
