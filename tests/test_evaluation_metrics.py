"""Rows to figures: what each counts, by hand; and the files made of them."""

from __future__ import annotations

from typing import Any

import pytest

from embeddings.metrics import retrieval_scores
from qa.evaluation.metrics import compute_metrics, is_right
from qa.evaluation.report import report, table, trec_lines


def make_row(
    name: str,
    answer: str | None,
    known: list[str] | None,
    *,
    confidence: float = 0.5,
    best: str | None = None,
    relevant: dict[str, int] | None = None,
    cited: str = "a1",
    ranking: tuple[str, ...] = ("a1", "a2"),
    lang: str = "id",
    verbatim: bool = True,
    latency: float = 10.0,
    copies: dict[str, str] | None = None,
) -> dict[str, Any]:
    """A row as a run writes it, with what figures are made of."""
    citations = [{"article_id": cited, "quote": answer}] if answer else []
    return {
        "id": name,
        "question": f"{name}?",
        "lang": lang,
        "answers": known,
        "articles": {},
        "relevant": relevant or {},
        "copies": copies or {},
        "answer": {
            "answer": answer,
            "abstained": answer is None,
            "confidence": confidence,
            "citations": citations,
        },
        "verbatim": [verbatim] * len(citations),
        "best": best or answer,
        "latency_ms": latency,
        "ranking": [{"article_id": article, "document": f"{article}.txt"} for article in ranking],
    }


ROWS = [
    make_row("right", "Rp 5,3 triliun", ["Rp5,3 triliun"], confidence=0.9, relevant={"a1": 1}),
    make_row(
        "sentence",
        "Ketua Panitia tiba Senin",
        ["Senin"],
        confidence=0.8,
        relevant={"a2": 1},
        lang="en",
        latency=30.0,
    ),
    make_row(
        "wrong",
        "Hujan turun",
        ["Redaksi"],
        confidence=0.6,
        relevant={"a3": 1},
        cited="a3",
        verbatim=False,
    ),
    make_row("refused", None, ["Menteri"], confidence=0.2, best="Menteri", relevant={"a1": 1}),
    make_row("unanswerable", None, [], confidence=0.1, best="Hujan"),
    make_row("invented", "Hujan", [], confidence=0.7),
    make_row("unknown", "Hujan", None, relevant={"a1": 2}, ranking=()),
]


def test_each_figure_by_hand() -> None:
    metrics = compute_metrics(ROWS)
    found = {name: (figure["value"], figure["n"]) for name, figure in metrics.items() if name != "slices"}
    assert found == {
        "retrieval.ndcg@10": (pytest.approx((1 + 0.63093 + 0 + 1 + 0) / 5, abs=1e-5), 5),
        "retrieval.recall@1": (pytest.approx(2 / 5), 5),
        "retrieval.recall@5": (pytest.approx(3 / 5), 5),
        "retrieval.mrr@10": (pytest.approx(2.5 / 5), 5),
        "answer.exact_match": (pytest.approx(2 / 6), 6),
        "answer.f1": (pytest.approx((1 + 2 / 5 + 0 + 0 + 1 + 0) / 6), 6),
        "abstention.refused_unanswerable": (0.5, 2),
        "abstention.refused_answerable": (0.25, 4),
        # Most confident first: right, right, invented, wrong, right had it not been refused, nothing to find.
        "abstention.aurc": (pytest.approx((0 + 0 + 1 / 3 + 2 / 4 + 2 / 5 + 3 / 6) / 6), 6),
        "citation.verbatim": (pytest.approx(4 / 5), 5),
        "citation.holds_answer": (pytest.approx(2 / 3), 3),
        "citation.right_article": (pytest.approx(3 / 4), 4),
        "latency.p50_ms": (10.0, 7),
        "latency.p95_ms": (pytest.approx(24.0), 7),
    }
    for figure in (figure for name, figure in metrics.items() if name != "slices"):
        assert figure["low"] <= figure["value"] <= figure["high"]


def test_copies_count_as_one_article() -> None:
    row = make_row(
        "x",
        "Hujan",
        ["Hujan"],
        relevant={"a1": 1, "a2": 1, "a4": 1},
        copies={"a2": "a1", "a3": "a1"},
        cited="a3",
        ranking=("a3", "a2", "a4"),
    )
    metrics = compute_metrics([row])
    assert metrics["retrieval.recall@1"]["value"] == 0.5
    assert metrics["retrieval.ndcg@10"]["value"] == 1.0
    assert metrics["citation.right_article"]["value"] == 1.0


def test_slices_are_the_figures_of_their_rows() -> None:
    slices = compute_metrics(ROWS)["slices"]
    assert {kind: list(values) for kind, values in slices.items()} == {
        "language": ["en", "id"],
        "answerability": ["answerable", "unanswerable"],
    }
    english = {name: figure for name, figure in compute_metrics(ROWS[1:2]).items() if name != "slices"}
    assert slices["language"]["en"] == english
    assert slices["answerability"]["unanswerable"]["answer.exact_match"]["value"] == 0.5
    assert slices["answerability"]["unanswerable"]["retrieval.ndcg@10"]["n"] == 0


def test_rules_are_chosen() -> None:
    row = make_row("x", "The Rp 5,3", ["Rp5,3"])
    assert compute_metrics([row])["answer.exact_match"]["value"] == 0.0
    assert compute_metrics([make_row("x", "The cat", ["cat"])], "squad")["answer.exact_match"]["value"] == 1.0


@pytest.mark.parametrize(
    ("best", "known", "right"),
    [
        ("Sergei Lavrov", ["Menteri Luar Negeri Rusia Sergei Lavrov"], True),
        ("Lavrov", ["Menteri Luar Negeri Rusia Sergei Lavrov"], False),
        ("Rapat dibuka Menteri Perdagangan pada Senin pagi", ["Menteri Perdagangan"], True),
        ("Rp 200", ["Rp 100"], False),
        ("22 Mei", ["25 Mei"], False),
        ("25 Mei", ["25 Mei 2023"], True),
        ("orang", ["12 orang"], False),
        ("12 orang", ["Menteri", "12"], True),
        (None, ["Menteri"], False),
        ("Menteri", [], False),
    ],
)
def test_right_for_the_risk_curve(best: str | None, known: list[str], right: bool) -> None:
    assert is_right({"best": best, "answers": known}) is right


def test_no_rows() -> None:
    metrics = compute_metrics([])
    assert metrics["slices"] == {"language": {}, "answerability": {}}
    assert all(
        figure["n"] == 0 and figure["value"] is None for name, figure in metrics.items() if name != "slices"
    )
    assert table(metrics) == ""


def test_the_run_file_gives_trec_eval_the_same_order() -> None:
    rows = [
        make_row("q 1", None, None, ranking=("z", "a", "m")),
        make_row("q2", None, None, ranking=("b",)),
    ]
    lines = list(trec_lines(rows, "tanya"))
    assert lines == [
        "q%201 Q0 z.txt 1 0 tanya\n",
        "q%201 Q0 a.txt 2 -1 tanya\n",
        "q%201 Q0 m.txt 3 -2 tanya\n",
        "q2 Q0 b.txt 1 0 tanya\n",
    ]
    import pytrec_eval

    run = pytrec_eval.parse_run([line.strip() for line in lines])
    found = pytrec_eval.RelevanceEvaluator({"q%201": {"a.txt": 1}}, {"recip_rank"}).evaluate(run)
    ours = retrieval_scores({"q 1": ["z", "a", "m"]}, {"q 1": {"a": 1}})
    assert found["q%201"]["recip_rank"] == ours["mrr@10"]["q 1"] == 0.5


def test_the_report_shows_figures_and_mistakes_and_lets_no_markup_through() -> None:
    rows = [*ROWS, make_row("evil", "<script>alert(1)</script> [x](javascript:1)\x1b[2J", ["Redaksi"])]
    text = report(
        compute_metrics(rows),
        rows,
        {"system": "tanya", "k": 5, "index": "i", "generation": 3, "model": {"name": "words"}},
        "indonesian",
    )
    assert "| | all | answerable |" not in text
    assert "| | all | en | id | answerable | unanswerable | |" in text
    assert "| `abstention.refused_unanswerable` | 0.500 [0.000, 1.000] n=2 |" in text
    assert "## Answered without the answer: 2" in text
    assert "## Answered though the archive does not say: 1" in text
    assert "## Refused though the archive says: 1" in text
    assert "<script>" not in text
    assert "[x]" not in text.replace("\\[x\\]", "")
    assert "\x1b" not in text


def test_the_table_has_a_line_a_figure() -> None:
    lines = table(compute_metrics(ROWS)).splitlines()
    assert [line.split()[0] for line in lines][:2] == ["retrieval.ndcg@10", "retrieval.recall@1"]
    assert len(lines) == 14
    assert "n=7" in lines[-1]
