"""A small archive and questions about it, for tests of evaluation; run as a program it evaluates, made to be killed.

python evaluation_set.py INDEX QUESTIONS OUT
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from conftest import HARBOUR, MATCH, RICE, WordEncoder, make_article, write_index

from qa.evaluation.predictions import holding
from qa.evaluation.questions import read_questions
from qa.evaluation.run import RunSettings, run_questions
from qa.evaluation.systems import build_system
from qa.index import NewsIndex

QUESTIONS: list[dict[str, Any]] = [
    {
        "id": "beras",
        "question": "Berapa harga beras per kilogram di Pasar Induk?",
        "lang": "id",
        "answers": ["Rp14.500"],
        "article": "beras.txt",
    },
    {
        "id": "kapal",
        "question": "Mengapa Pelabuhan Tanjung Contoh ditutup?",
        "lang": "id",
        "answers": ["gelombang setinggi empat meter"],
        "article": "pelabuhan.txt",
    },
    {"id": "uap", "question": "Siapa penemu mesin uap?", "lang": "id", "answers": [], "article": None},
    {
        "id": "final",
        "question": "Who won the final, Tim putri Contoh?",
        "lang": "en",
        "answers": ["Tim putri Contoh"],
        "article": "berita/final.txt",
    },
    {"id": "x 1", "question": "Pelatih memuji apa?", "lang": "id", "article": "d3"},
]


def make_index(folder: Path) -> None:
    """Index three articles, one of them also as an external document d3 and its copy d9."""
    write_index(
        folder,
        [
            make_article(HARBOUR, "arsip/pelabuhan.txt"),
            make_article(RICE, "arsip/beras.txt"),
            make_article(MATCH, "arsip/berita/final.txt", external_id="d3"),
            make_article(MATCH, "arsip/salinan.txt", external_id="d9"),
        ],
    )


def write_questions(file: Path, rows: list[dict[str, Any]] = QUESTIONS) -> Path:
    """Write the questions as JSON Lines."""
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def main(index: Path, questions: Path, out: Path) -> None:
    """Evaluate slowly, telling each question that is done."""
    with holding(out), NewsIndex.open(index) as opened:

        def done(count: int) -> None:
            print(count, flush=True)
            time.sleep(0.002)

        system = build_system("tanya", opened, WordEncoder())
        run_questions(read_questions(questions), system, RunSettings(), out, "test", done)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
