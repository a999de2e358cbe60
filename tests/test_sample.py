"""The bundled sample: its articles, its questions, and what reading makes of them."""

import json
import re
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from qa.corpus import read_articles
from qa.types import Article, Skip

SAMPLE = Path(__file__).parent.parent / "corpus"
ARTICLES = sorted(p for p in SAMPLE.iterdir() if p.suffix in {".txt", ".md", ".html"})
FURNITURE = ("Baca Juga", "Pengaturan Font", "Komentar", "Artikel Terkait", "Penulis :", "Editor :", "Foto :")
WEEKDAYS = ("Senin", "Selasa", "Rabu", "Kamis", "Jumat", "Sabtu", "Minggu")
MONTHS = (
    "Januari",
    "Februari",
    "Maret",
    "April",
    "Mei",
    "Juni",
    "Juli",
    "Agustus",
    "September",
    "Oktober",
    "November",
    "Desember",
)


def questions() -> list[dict[str, Any]]:
    lines = (SAMPLE / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def words(text: str) -> int:
    return len(re.sub(r"<[^>]+>", " ", text).split())


def last_words(line: str) -> str:
    # The start of a paragraph may be a dateline, which cleaning takes out; its end never is.
    return " ".join(line.split()[-15:])


def date_in_name(name: str) -> date:
    return date.fromisoformat(name[:10])


def test_articles_are_many_and_of_several_kinds() -> None:
    kinds = Counter(path.suffix for path in ARTICLES)
    assert len(ARTICLES) >= 24
    assert kinds[".md"] == 1
    assert kinds[".html"] == 1


@pytest.mark.parametrize("path", ARTICLES, ids=lambda p: p.name)
def test_length_in_words(path: Path) -> None:
    assert 150 <= words(path.read_text(encoding="utf-8")) <= 400


@pytest.mark.parametrize("path", ARTICLES, ids=lambda p: p.name)
def test_every_weekday_agrees_with_its_date(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    published = date_in_name(path.name)
    found = [
        (name, date(int(year), MONTHS.index(month) + 1, int(day)))
        for name, day, month, year in re.findall(rf"({'|'.join(WEEKDAYS)}),? (\d+) (\w+) (\d{{4}})", text)
    ]
    found += [
        (name, date(int(year or published.year), int(month), int(day)))
        for name, day, month, year in re.findall(
            rf"({'|'.join(WEEKDAYS)}) \((\d+)/(\d+)(?:/(\d{{4}}))?\)", text
        )
    ]
    assert found, "an article says on what day it was written"
    assert [name for name, _ in found] == [WEEKDAYS[day.weekday()] for _, day in found]
    assert published in {day for _, day in found}


def test_see_also_lines_name_articles_of_the_sample() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in ARTICLES}
    pointers = [
        (name, re.sub(r"<[^>]+>|\]\(.*?\)|\[", "", found).strip())
        for name, text in texts.items()
        for found in re.findall(r"Baca Juga: (.+)", text)
    ]
    assert len(pointers) >= len(ARTICLES) - 3
    for name, headline in pointers:
        assert any(headline in text for other, text in texts.items() if other != name), headline


def test_questions_are_eighty_half_in_each_language() -> None:
    rows = questions()
    assert all(set(row) == {"id", "question", "lang", "answers", "article"} for row in rows)
    assert [row["id"] for row in rows] == [f"q{number:02}" for number in range(1, 81)]
    assert len({row["question"] for row in rows}) == 80
    assert Counter((row["lang"], bool(row["answers"])) for row in rows) == {
        ("en", True): 33,
        ("en", False): 7,
        ("id", True): 32,
        ("id", False): 8,
    }


def test_the_mission_questions_are_among_them() -> None:
    asked = {row["question"]: row["article"] for row in questions()}
    for question in (
        "Who mediated the Armenia–Azerbaijan talks?",
        "Siapa yang menjadi penengah pembicaraan Armenia–Azerbaijan?",
    ):
        assert asked[question] == "2023-05-19-rusia-tengahi-armenia-azerbaijan.txt"


def test_answers_stand_in_the_named_article() -> None:
    names = {path.name for path in ARTICLES}
    for row in questions():
        if row["article"] is None:
            assert row["answers"] == [], row["id"]
            continue
        assert row["article"] in names, row["id"]
        assert len(row["answers"]) == len(set(row["answers"])) > 0, row["id"]
        text = (SAMPLE / row["article"]).read_text(encoding="utf-8")
        assert [a for a in row["answers"] if a not in text] == [], row["id"]


def test_every_article_is_asked_about_and_half_in_both_languages() -> None:
    languages: dict[str, set[str]] = {path.name: set() for path in ARTICLES}
    for row in questions():
        if row["article"] is not None:
            languages[row["article"]].add(row["lang"])
    assert [name for name, asked in languages.items() if not asked] == []
    assert sum(len(asked) == 2 for asked in languages.values()) >= len(ARTICLES) // 2


def test_reading_keeps_articles_whole_and_leaves_furniture_out() -> None:
    read = list(read_articles([SAMPLE]))
    articles = {item.path: item for item in read if isinstance(item, Article)}
    skipped = {item.path.partition("#")[0] for item in read if isinstance(item, Skip)}
    assert skipped <= {"questions.jsonl"}
    assert sorted(articles) == [path.name for path in ARTICLES]
    for name, article in articles.items():
        raw = (SAMPLE / name).read_text(encoding="utf-8")
        assert article.title is not None, name
        assert article.title in raw, name
        assert article.title not in article.text, name
        assert (article.source or "").casefold() == "contoh", name
        assert article.published_at == date_in_name(name), name
        assert [piece for piece in FURNITURE if piece in article.text] == [], name
        assert 150 <= words(article.text) <= 400, name
        long_lines = [line for line in re.split(r"\n|<[^>]+>", raw) if words(line) >= 25]
        assert long_lines, name
        assert [end for end in map(last_words, long_lines) if end not in article.text] == [], name
    assert sorted(name for name, article in articles.items() if article.date_inferred) == [
        "2017-03-15-neraca-perdagangan-februari-surplus.txt",
        "2017-06-23-pemudik-stasiun-pasar-senen.txt",
        "2017-08-10-laba-peruri-naik.txt",
    ]
    headlines = {name: article.title for name, article in articles.items() if article.title}
    for name, article in articles.items():
        assert [h for other, h in headlines.items() if other != name and h in article.text] == [], name
    for row in questions():
        if row["article"] is not None:
            text = articles[row["article"]].text
            assert [a for a in row["answers"] if a not in text] == [], row["id"]
