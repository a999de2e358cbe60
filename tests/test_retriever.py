"""Both legs together: exact rankings where words have a meaning, and copies that count once."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from conftest import HARBOUR, MATCH, RICE, WordEncoder, make_article
from index_state import ENCODER, write

from qa.fusion import DENSE_WEIGHTS, convex_combination
from qa.index import NewsIndex
from qa.retriever import POOL, HybridRetriever, collapse_copies
from qa.types import Article, Chunk, Filters, Hit, Language

HARBOUR_ARTICLE = make_article(HARBOUR, "a.txt", title="Pelabuhan ditutup")
RICE_ARTICLE = make_article(RICE, "b.txt", published_at=None, source="Contoh Lain")
MATCH_ARTICLE = make_article(MATCH, "c.txt", published_at=date(2023, 6, 1), source=None)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> NewsIndex:
    folder = tmp_path_factory.mktemp("retriever")
    write(folder, [(f"/x/{each.path}", each) for each in (HARBOUR_ARTICLE, RICE_ARTICLE, MATCH_ARTICLE)])
    return NewsIndex.open(folder, ENCODER.fingerprint)


@pytest.fixture
def retriever(index: NewsIndex) -> HybridRetriever:
    return HybridRetriever(index, ENCODER)


@pytest.mark.parametrize(
    ("question", "best"),
    [
        ("Berapa harga beras per kilogram?", RICE_ARTICLE),
        ("Mengapa pelabuhan ditutup?", HARBOUR_ARTICLE),
        ("Siapa memuji pertahanan timnya di final?", MATCH_ARTICLE),
    ],
)
def test_the_passage_that_shares_the_words_is_first_in_both_legs(
    question: str, best: Article, retriever: HybridRetriever
) -> None:
    hit = retriever.search(question)[0]
    assert hit.article == best
    assert best.text[hit.chunk.start : hit.chunk.end] == hit.chunk.text
    assert hit.origin == "both"
    assert hit.score == pytest.approx(1.0)


def test_scores_and_origins_are_those_of_the_fusion(retriever: HybridRetriever) -> None:
    hits = retriever.search("harga beras di pelabuhan", k=3)
    assert [hit.article.path for hit in hits] == ["b.txt", "a.txt", "c.txt"]
    assert [hit.origin for hit in hits] == ["both", "both", "dense"]
    query = ENCODER.encode_queries(["harga beras di pelabuhan"])[0]
    fused = convex_combination(
        retriever.index.search_dense(query, 50),
        retriever.index.search_lexical("harga beras di pelabuhan", 50),
        dense_weight=DENSE_WEIGHTS["id"],
    )
    assert [hit.score for hit in hits] == [score for _, score in fused]
    assert hits[0].score == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("question", "weights", "origin"),
    [
        ("Berapa harga beras?", {"id": 0.0, "en": 1.0}, "lexical"),
        ("Berapa harga beras?", {"id": 1.0, "en": 0.0}, "dense"),
        ("What is the price of beras?", {"id": 0.0, "en": 1.0}, "dense"),
        ("What is the price of beras?", {"id": 1.0, "en": 0.0}, "lexical"),
    ],
)
def test_the_weight_is_that_of_the_questions_language_and_a_leg_without_weight_is_not_asked(
    index: NewsIndex, question: str, weights: dict[Language, float], origin: str
) -> None:
    encoder = WordEncoder()
    hits = HybridRetriever(index, encoder, weights).search(question)
    assert hits[0].article == RICE_ARTICLE
    assert {hit.origin for hit in hits} == {origin}
    assert encoder.encoded == ([question] if origin == "dense" else [])


def test_more_weight_moves_a_passage_up_that_only_its_meaning_finds(index: NewsIndex) -> None:
    class Harbours(WordEncoder):
        """Takes every question for one about the harbour."""

        def encode_queries(self, texts: list[str]) -> np.ndarray:
            return self.encode_passages([HARBOUR for _ in texts])

    def best(weight: float) -> Article:
        weights: dict[Language, float] = {"en": 0.5, "id": weight}
        return (
            HybridRetriever(index, Harbours(), weights).search("Berapa harga beras per kilogram?")[0].article
        )

    assert best(0.4) == RICE_ARTICLE
    assert best(0.6) == HARBOUR_ARTICLE


@pytest.mark.parametrize("k", [1, 2, 3, 10])
def test_k_bounds_the_hits_and_changes_no_order(k: int, retriever: HybridRetriever) -> None:
    every = retriever.search("harga beras di pelabuhan", k=50)
    assert retriever.search("harga beras di pelabuhan", k=k) == every[:k]


def test_filters_reach_both_legs(retriever: HybridRetriever) -> None:
    question = "harga beras di pelabuhan final"
    for filters, expected in (
        (Filters(date_from=date(2023, 5, 19), date_to=date(2023, 5, 31)), {"a.txt"}),
        (Filters(date_from=date(2023, 5, 19)), {"a.txt", "c.txt"}),
        (Filters(sources=("CONTOH LAIN",)), {"b.txt"}),
        (Filters(sources=("tidak ada",)), set()),
    ):
        assert {hit.article.path for hit in retriever.search(question, filters=filters)} == expected


def test_a_question_without_any_known_word_still_has_neighbours(retriever: HybridRetriever) -> None:
    hits = retriever.search("???")
    assert {hit.origin for hit in hits} == {"dense"}


def test_timings_name_the_stages(retriever: HybridRetriever) -> None:
    timings = retriever.retrieve("harga beras").timings
    assert list(timings) == ["encode", "dense", "lexical", "fuse"]
    assert all(value >= 0 for value in timings.values())


def test_copies_of_an_article_are_one_hit_and_others_move_up(tmp_path: Path) -> None:
    """Forty outlets carry the same report with a line of their own; it must not take every place."""
    copies = [
        make_article(f"{RICE} Laporan kanal{number}.", f"salinan{number}.txt", source=f"Contoh {number}")
        for number in range(40)
    ]
    others = [HARBOUR_ARTICLE, MATCH_ARTICLE, make_article("Harga gula naik di Pasar Contoh.", "gula.txt")]
    write(tmp_path, [(f"/x/{each.path}", each) for each in [*copies, *others]])
    with NewsIndex.open(tmp_path, ENCODER.fingerprint) as index:
        hits = HybridRetriever(index, ENCODER).search("harga beras di Pasar Induk pekan depan", k=3)
    paths = [hit.article.path for hit in hits]
    assert paths[0].startswith("salinan")
    assert paths[1] == "gula.txt"
    assert len(paths) == 3
    assert not paths[2].startswith("salinan")


def hit(text: str, article_id: str, score: float = 1.0) -> Hit:
    article = make_article(text, f"{article_id}.txt", id=article_id)
    return Hit(Chunk(f"{article_id}-0", article_id, 0, text, 0, len(text)), article, score, "both")


def test_collapsing_keeps_the_best_of_copies_in_order() -> None:
    first, second = hit(RICE, "a", 3.0), hit(MATCH, "b", 2.0)
    copy = hit(RICE.upper(), "c", 1.0)
    assert collapse_copies([first, second, copy]) == [first, second]
    assert collapse_copies([copy, second, first]) == [copy, second]


def test_passages_of_one_article_are_no_copies_of_each_other() -> None:
    same = hit(RICE, "a"), hit(RICE, "a")
    assert collapse_copies(same) == list(same)


def test_a_part_of_another_article_is_a_copy_and_a_likeness_is_not() -> None:
    part = hit(RICE.partition(". ")[0], "b")
    assert collapse_copies([hit(RICE, "a"), part]) == [hit(RICE, "a")]
    like = hit("Harga gula naik menjadi Rp 18.000 per kilogram di Pasar Induk. Menteri belum berjanji.", "c")
    assert collapse_copies([hit(RICE, "a"), like]) == [hit(RICE, "a"), like]


def test_the_pool_is_deep_enough_for_what_is_asked(tmp_path: Path) -> None:
    count = POOL + 15
    located = [
        (f"/x/{n}.txt", make_article(f"Beras dari desa{n} dijual kelompok{n} seharga nilai{n}.", f"{n}.txt"))
        for n in range(count)
    ]
    write(tmp_path, located)
    with NewsIndex.open(tmp_path) as index:
        assert len(HybridRetriever(index, ENCODER).search("beras desa", k=count)) == count
