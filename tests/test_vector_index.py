"""Search is compared with numpy over the same rounded vectors; files are damaged in every way at hand."""

from __future__ import annotations

import hashlib
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embeddings.errors import VectorIndexError
from embeddings.vector_index import VectorIndex

DIMENSION = 48


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def clustered(count: int, seed: int, dimension: int = DIMENSION) -> np.ndarray:
    """Unit vectors around 20 centres, as passages gather around topics."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(20, dimension))
    return unit(centres[random.integers(20, size=count)] + 0.4 * random.normal(size=(count, dimension)))


def bfloat16(vectors: np.ndarray) -> np.ndarray:
    """Round to the nearest bfloat16, halves away from zero as FAISS does."""
    return ((vectors.view(np.uint32) + np.uint32(0x8000)) & np.uint32(0xFFFF0000)).view(np.float32)


def ids_for(count: int, seed: int = 7) -> np.ndarray:
    """Distinct ids in no order, with gaps, some beyond 32 bits."""
    ids = np.arange(count, dtype=np.int64) * 13 + 5
    ids[::4] += 2**40
    return np.random.default_rng(seed).permutation(ids)


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return clustered(3000, seed=1)


@pytest.fixture(scope="module")
def ids() -> np.ndarray:
    return ids_for(3000)


@pytest.fixture(scope="module")
def index(ids: np.ndarray, vectors: np.ndarray) -> VectorIndex:
    return VectorIndex.build(ids, vectors)


@pytest.fixture(scope="module")
def queries() -> np.ndarray:
    return clustered(40, seed=2)


def assert_ranking_is_exact(
    result: tuple[np.ndarray, np.ndarray], query: np.ndarray, ids: np.ndarray, stored: np.ndarray, k: int
) -> None:
    """The scores are those of a numpy search over the rounded vectors, and each id has the score it shows."""
    found, scores = result
    exact = stored.astype(np.float64) @ query.astype(np.float64)
    best = np.sort(exact)[::-1][:k]
    np.testing.assert_allclose(scores, best, atol=2e-6)
    score_of = dict(zip(ids.tolist(), exact.tolist(), strict=True))
    np.testing.assert_allclose(scores, [score_of[identifier] for identifier in found.tolist()], atol=2e-6)
    assert len(set(found.tolist())) == len(found)


def test_search_ranks_as_numpy_does_over_rounded_vectors(index, ids, vectors, queries):
    for query, result in zip(queries, index.search(queries, 25), strict=True):
        assert result[0].dtype == np.int64
        assert result[1].dtype == np.float32
        assert_ranking_is_exact(result, query, ids, bfloat16(vectors), 25)


def test_rounding_moves_a_score_by_less_than_half_a_percent(index, ids, vectors, queries):
    position = {identifier: row for row, identifier in enumerate(ids.tolist())}
    for query, (found, scores) in zip(queries, index.search(queries, 10), strict=True):
        exact = np.array([vectors[position[identifier]] @ query for identifier in found.tolist()])
        assert np.abs(scores - exact).max() < 0.005


def test_batch_and_single_queries_agree(index, queries):
    for query, (found, scores) in zip(queries, index.search(queries, 10), strict=True):
        alone_ids, alone_scores = index.search(query[None], 10)[0]
        assert alone_ids.tolist() == found.tolist()
        np.testing.assert_allclose(alone_scores, scores, atol=2e-6)


def test_allowed_and_excluded_restrict_exactly(index, ids, vectors, queries):
    allowed, excluded = ids[100:700], ids[400:1000]
    stored = bfloat16(vectors)
    kept = {
        "allowed": ({"allowed": allowed}, slice(100, 700)),
        "excluded": ({"excluded": excluded}, np.r_[0:400, 1000:3000]),
        "both": ({"allowed": allowed, "excluded": excluded}, slice(100, 400)),
    }
    for arguments, rows in kept.values():
        for query, result in zip(queries, index.search(queries, 15, **arguments), strict=True):
            assert_ranking_is_exact(result, query, ids[rows], stored[rows], 15)


def test_a_filter_narrower_than_k_returns_only_what_it_allows(index, ids, queries):
    unknown = np.array([-1, 10**15], dtype=np.int64)
    for found, _ in index.search(queries, 50, allowed=np.concatenate([ids[:3], unknown])):
        assert sorted(found.tolist()) == sorted(ids[:3].tolist())
    for found, scores in index.search(queries, 50, allowed=np.empty(0, dtype=np.int64)):
        assert (found.tolist(), scores.tolist()) == ([], [])
    for found, _ in index.search(queries, 5, excluded=ids):
        assert found.tolist() == []
    everything = index.search(queries, 5)
    for unfiltered, (found, _) in zip(
        everything, index.search(queries, 5, excluded=np.empty(0, dtype=np.int64)), strict=True
    ):
        assert found.tolist() == unfiltered[0].tolist()


def test_k_beyond_the_size_returns_all_and_never_minus_one(queries):
    ids = np.array([4, 0, 9], dtype=np.int64)
    index = VectorIndex.build(ids, clustered(3, seed=3))
    for found, scores in index.search(queries, 1000):
        assert sorted(found.tolist()) == [0, 4, 9]
        assert (scores[:-1] >= scores[1:]).all()


def test_an_empty_index_finds_nothing(tmp_path, queries):
    index = VectorIndex.empty(DIMENSION)
    digest = index.save(tmp_path / "empty")
    for one in (index, VectorIndex.load(tmp_path / "empty", sha256=digest)):
        assert len(one) == 0
        assert [found.tolist() for found, _ in one.search(queries[:2], 3)] == [[], []]
    assert index.search(np.empty((0, DIMENSION), dtype=np.float32), 3) == []


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 12))
def test_equal_scores_come_in_order_of_id_whatever_the_order_of_adding(seed, count, k):
    random = np.random.default_rng(seed)
    # Few distinct vectors for many ids: ties inside the list and across its end.
    rows = clustered(4, seed=11)[random.integers(4, size=count)]
    ids = random.permutation(1000)[:count].astype(np.int64)
    query = clustered(1, seed=12)
    index = VectorIndex.build(ids, rows)
    found, scores = index.search(query, k)[0]
    every, all_scores = index.search(query, count)[0]
    assert every.tolist() == [ids_ for _, ids_ in sorted(zip(-all_scores, every.tolist(), strict=True))]
    assert found.tolist() == every[:k].tolist()
    shuffled = random.permutation(count)
    again = VectorIndex.build(ids[shuffled], rows[shuffled]).search(query, k)[0]
    assert (again[0].tolist(), again[1].tolist()) == (found.tolist(), scores.tolist())


def test_adding_bit_by_bit_equals_building_at_once(index, ids, vectors, queries):
    grown = VectorIndex.empty(DIMENSION)
    for start in range(0, 3000, 700):
        grown.add(ids[start : start + 700], vectors[start : start + 700])
    grown.add(np.empty(0, dtype=np.int64), np.empty((0, DIMENSION), dtype=np.float32))
    assert len(grown) == len(index) == 3000
    assert grown.ids.tolist() == sorted(ids.tolist())
    for (left, _), (right, _) in zip(grown.search(queries, 20), index.search(queries, 20), strict=True):
        assert left.tolist() == right.tolist()


@pytest.mark.parametrize("again", [[1, 5], [7, 7], [9, 3, 9]])
def test_duplicate_ids_are_refused_and_nothing_is_added(again):
    vectors = clustered(6, seed=4)
    index = VectorIndex.build(np.array([5, 3], dtype=np.int64), vectors[:2])
    with pytest.raises(VectorIndexError, match="twice"):
        index.add(np.array(again, dtype=np.int64), vectors[: len(again)])
    assert index.ids.tolist() == [3, 5]
    assert sorted(index.search(vectors[:1], 10)[0][0].tolist()) == [3, 5]


def test_unusable_input_is_named(index, vectors):
    one, ids = vectors[:1], np.array([10**9], dtype=np.int64)
    spoiled = vectors[:2].copy()
    spoiled[1, 3] = np.nan
    cases = [
        (lambda: index.add(ids, one.astype(np.float64)), r"must be a float32 array .* got float64 \(1, 48\)"),
        (lambda: index.add(ids, one[0]), r"got float32 \(48,\)"),
        (lambda: index.add(ids, one[:, :40].copy()), r"must have shape \(n, 48\), got \(1, 40\)"),
        (lambda: index.add(ids, one * 1.5), r"must be unit rows, got length 1.5 in row 0"),
        (lambda: index.add(ids, one * 0), r"must be unit rows, got length 0 in row 0"),
        (lambda: index.search(spoiled, 3), r"queries must be unit rows, got length nan in row 1"),
        (lambda: index.search(one * np.inf, 3), r"got length inf|got length nan"),
        (lambda: index.add(ids.astype(np.int32), one), r"must be an int64 array .* got int32 \(1,\)"),
        (lambda: index.add([1], one), r"got list"),
        (lambda: index.add(np.append(ids, 1), one), r"equally many, got 2 and 1"),
        (lambda: index.add(np.array([-1]), one), r"must not be negative, got -1"),
        (lambda: index.search(one, 0), r"k must be at least 1, got 0"),
        (lambda: index.search(one, 1, allowed=np.array([1.0])), r"allowed must be an int64 array"),
        (lambda: index.search(one, 1, excluded=np.array([[1]])), r"excluded must be an int64 array"),
        (lambda: VectorIndex.empty(0), r"at least 1, got 0"),
    ]
    for call, message in cases:
        with pytest.raises(VectorIndexError, match=message), np.errstate(invalid="ignore"):
            call()
    assert len(index) == 3000


def test_a_saved_index_comes_back_the_same(tmp_path, index, queries):
    digest = index.save(tmp_path / "vectors")
    assert digest == hashlib.sha256((tmp_path / "vectors").read_bytes()).hexdigest()
    loaded = VectorIndex.load(tmp_path / "vectors", sha256=digest, dimension=DIMENSION)
    assert (len(loaded), loaded.dimension) == (3000, DIMENSION)
    for (ids, scores), (ids_, scores_) in zip(
        index.search(queries, 9), loaded.search(queries, 9), strict=True
    ):
        assert (ids.tolist(), scores.tolist()) == (ids_.tolist(), scores_.tolist())
    loaded.add(np.array([10**12], dtype=np.int64), queries[:1])
    assert loaded.search(queries[:1], 1)[0][0].tolist() == [10**12]
    assert loaded.save(tmp_path / "again") != digest


def test_every_truncation_and_bit_flip_is_noticed(tmp_path):
    path = tmp_path / "vectors"
    digest = VectorIndex.build(ids_for(50), clustered(50, seed=5)).save(path)
    whole = path.read_bytes()
    random = np.random.default_rng(6)
    damaged = [
        whole[:length] for length in {0, 1, 3, 4, 8, 40, *random.integers(len(whole), size=60).tolist()}
    ]
    for position in {0, 4, *random.integers(len(whole), size=150).tolist()}:
        flipped = bytearray(whole)
        flipped[position] ^= 1 << int(random.integers(8))
        damaged.append(bytes(flipped))
    damaged.append(whole + b"\0")
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(VectorIndexError, match=f"{path} is damaged"):
            VectorIndex.load(path, sha256=digest)
    path.write_bytes(whole)
    assert len(VectorIndex.load(path, sha256=digest.upper())) == 50


def test_files_of_another_kind_are_refused(tmp_path):
    vectors, ids = clustered(40, seed=8), np.arange(40)

    def with_ids(codes: faiss.Index) -> faiss.Index:
        mapped = faiss.IndexIDMap(codes)
        mapped.add_with_ids(vectors, ids)
        return mapped

    bf16, product = faiss.ScalarQuantizer.QT_bf16, faiss.METRIC_INNER_PRODUCT
    doubled = faiss.IndexIDMap(faiss.IndexScalarQuantizer(DIMENSION, bf16, product))
    doubled.add_with_ids(vectors, ids // 2)
    bare = faiss.IndexScalarQuantizer(DIMENSION, bf16, product)
    bare.add(vectors)
    reversible = faiss.IndexIDMap2(faiss.IndexScalarQuantizer(DIMENSION, bf16, product))
    reversible.add_with_ids(vectors, ids)
    strangers = {
        "must hold an IndexIDMap, got IndexScalarQuantizer": bare,
        "must hold an IndexIDMap, got IndexIDMap2": reversible,
        "must hold an IndexScalarQuantizer, got IndexFlat": with_ids(faiss.IndexFlatIP(DIMENSION)),
        "must hold bfloat16 codes": with_ids(
            faiss.IndexScalarQuantizer(DIMENSION, faiss.ScalarQuantizer.QT_fp16, product)
        ),
        "must use the inner product": with_ids(faiss.IndexScalarQuantizer(DIMENSION, bf16, faiss.METRIC_L2)),
        "duplicate ids": doubled,
    }
    for message, stranger in strangers.items():
        faiss.write_index(stranger, str(tmp_path / "file"))
        digest = hashlib.sha256((tmp_path / "file").read_bytes()).hexdigest()
        with pytest.raises(VectorIndexError, match=message):
            VectorIndex.load(tmp_path / "file", sha256=digest)
    (tmp_path / "file").write_bytes(b"not an index at all")
    with pytest.raises(VectorIndexError, match="is not a vector index"):
        VectorIndex.load(tmp_path / "file", sha256=hashlib.sha256(b"not an index at all").hexdigest())


def test_missing_files_and_other_dimensions_are_refused(tmp_path, index):
    with pytest.raises(VectorIndexError, match=r"gone cannot be read: No such file"):
        VectorIndex.load(tmp_path / "gone", sha256="0" * 64)
    with pytest.raises(VectorIndexError, match="cannot be read: Is a directory"):
        VectorIndex.load(tmp_path, sha256="0" * 64)
    digest = index.save(tmp_path / "vectors")
    with pytest.raises(VectorIndexError, match="must hold vectors of length 384, got 48"):
        VectorIndex.load(tmp_path / "vectors", sha256=digest, dimension=384)


def test_a_full_disk_is_reported_with_its_cause(index):
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(OSError, match="No space left"):
        index.save(full)
