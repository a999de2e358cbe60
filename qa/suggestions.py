"""Example questions that the loaded archive can answer.

Made from the archive itself (who is quoted as saying something, and about what) or, for the bundled sample,
taken from its question set; each one is asked first, and kept only when the answer comes from its article.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from qa.errors import TanyaError
from qa.types import Answer, Article, Language

TIME_LIMIT_SECONDS = 6.0
ARTICLES_LOOKED_AT = 150
PER_ARTICLE = 2
"""At most this many questions are tried on one article and language, so that the examples vary."""

_SAYING = (
    "kata|ujar|ucap|tutur|jelas|tegas|ungkap|sebut|imbuh|tambah|terang|papar|"
    "menurut|dikatakan|diungkapkan|disampaikan oleh"
)
_NAME_WORD = r"(?:[A-Z][a-z]+(?:[-'’][A-Z]?[a-z]+)?|[A-Z]\.(?= [A-Z]))"
_SAID = re.compile(rf"\b(?:{_SAYING})(?:nya)?,? ((?:[A-Z](?:[\w'’-]+|\.) ){{0,6}}{_NAME_WORD})")
_NAMES_IN_RUN = re.compile(rf"{_NAME_WORD}(?: {_NAME_WORD}){{1,2}}$")
_PROPER = re.compile(r"(?<![.!?\"“”]\s)(?<!^)\b(?:[A-Z]{2,6}|[A-Z][a-z]{3,}(?:\s+[A-Z][a-z]{3,})?)\b", re.M)

_TITLES = frozenset(
    "Anggota Bagian Bapak Bidang Brigjen Bupati Camat Chief Deputi Dinas Direktur Dirjen Executive "
    "Gubernur Humas Ibu Jenderal Jubir Juru Kabid Kabupaten Kapolda Kapolres Kapolri Kapolsek Kasat "
    "Kasubdit Kepala Ketua Kolonel Komandan Komisaris Kompol Kota Letjen Luar Manager Mayjen Menko "
    "Menlu Menteri Negeri Officer Pak Pelaksana Perdana Polisi Presiden Prof Provinsi Rektor "
    "Sekretaris Umum Utama Wakil Wali Walikota".split()
)
_NOT_A_TOPIC = frozenset(
    "Senin Selasa Rabu Kamis Jumat Sabtu Minggu Januari Februari Maret April Mei Juni Juli Agustus September "
    "Oktober November Desember Dalam Untuk Dengan Pada Karena Namun Selain Sementara Menurut Kami Kita Saya "
    "Mereka Presiden Menteri Foto Baca Juga Sebut".split()
)


class Answerer(Protocol):
    """What is needed of a ``QuestionAnswerer``."""

    @property
    def index(self) -> SampledIndex:
        """The archive."""
        ...

    def ask(self, question: str) -> Answer:
        """Answer a question."""
        ...


class SampledIndex(Protocol):
    """What is needed of a ``NewsIndex``."""

    def sample_articles(self, limit: int) -> list[Article]:
        """Return articles spread over the archive."""
        ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question and how to recognise that an answer comes from the right article."""

    question: str
    language: Language
    matches: Callable[[Article], bool]


def suggest_questions(
    answerer: Answerer,
    limit: int,
    *,
    language: Language = "id",
    seconds: float = TIME_LIMIT_SECONDS,
) -> list[str]:
    """Return up to ``limit`` questions in a language that the archive was seen to answer.

    Args:
        answerer: asked every candidate.
        limit: how many at most.
        language: of the questions.
        seconds: time limit for all of it; what was found by then is returned.
    """
    articles = answerer.index.sample_articles(ARTICLES_LOOKED_AT)
    return _answered(answerer, _round_robin([_about(one, language) for one in articles]), limit, seconds)


def sample_questions(
    answerer: Answerer,
    limit: int,
    questions_file: Path,
    *,
    language: Language = "id",
    seconds: float = TIME_LIMIT_SECONDS,
) -> list[str]:
    """Return up to ``limit`` questions of the sample's question set that the archive answers rightly.

    Empty when the archive holds none of the sample's articles. The file has one JSON object a line, with
    ``question``, ``lang`` and ``article`` (a file name, or null for a question without an answer).

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is not such an object.
    """
    rows = [
        json.loads(line) for line in questions_file.read_text(encoding="utf-8").splitlines() if line.strip()
    ]
    names = {row["article"] for row in rows if row["article"]}
    if not any(_file_name(one) in names for one in answerer.index.sample_articles(10)):
        return []
    by_article: dict[str, list[Candidate]] = {}
    for row in rows:
        if row["article"] and row["lang"] == language:
            candidate = Candidate(row["question"], language, _is_file(row["article"]))
            by_article.setdefault(row["article"], []).append(candidate)
    # The shortest first: an example is read at a glance.
    groups = [sorted(group, key=lambda candidate: len(candidate.question)) for group in by_article.values()]
    return _answered(answerer, _round_robin(groups), limit, seconds)


def _is_file(name: str) -> Callable[[Article], bool]:
    return lambda article: _file_name(article) == name


def _file_name(article: Article) -> str:
    return article.path.rsplit("/", 1)[-1]


def _answered(answerer: Answerer, candidates: Iterable[Candidate], limit: int, seconds: float) -> list[str]:
    deadline = time.monotonic() + seconds
    kept: list[str] = []
    for candidate in candidates:
        if len(kept) >= limit or time.monotonic() > deadline:
            break
        if candidate.question in kept:
            continue
        try:
            answer = answerer.ask(candidate.question)
        except TanyaError:
            # An archive that cannot be asked now has no examples; whoever asks next is told the reason.
            return kept
        if answer.citations and candidate.matches(answer.citations[0].article):
            kept.append(candidate.question)
    return kept


def _round_robin(groups: Iterable[Iterable[Candidate]]) -> Iterator[Candidate]:
    """The first of each group, then the second of each: neighbours come from different articles."""
    iterators = [iter(group) for group in groups]
    while iterators:
        remaining = []
        for iterator in iterators:
            candidate = next(iterator, None)
            if candidate is not None:
                remaining.append(iterator)
                yield candidate
        iterators = remaining


def _about(article: Article, language: Language) -> list[Candidate]:
    """Candidates on who said what in an article, the most quoted person first."""
    candidates = []
    for speaker in speakers(article.text):
        topic = topic_of(article.text, speaker)
        if topic is None:
            continue
        question = (
            f"Apa kata {speaker} tentang {topic}?"
            if language == "id"
            else f"What did {speaker} say about {topic}?"
        )
        candidates.append(Candidate(question, language, lambda found: found.id == article.id))
    return candidates[:PER_ARTICLE]


def speakers(text: str) -> list[str]:
    """Return the full names (two or three words) of people quoted in an article, the most quoted first."""
    counted: Counter[str] = Counter()
    for match in _SAID.finditer(text):
        words = match.group(1).split()
        # After a title stand an office or a country and then the name: its last two words are the person's.
        titled = words[0] in _TITLES
        run = _NAMES_IN_RUN.search(" ".join(words[-2:] if titled else words))
        name = run.group() if run else _full_name(text, words[0])
        if name and not (_TITLES | _NOT_A_TOPIC).intersection(name.split()):
            counted[name] += 1
    return [name for name, _ in counted.most_common()]


def _full_name(text: str, word: str) -> str | None:
    """The first full name in a text that begins with a word, as papers give it once and then shorten it."""
    found = re.search(rf"\b{re.escape(word)} {_NAME_WORD}\b", text)
    return found.group() if found else None


def topic_of(text: str, speaker: str) -> str | None:
    """Return the proper name an article mentions most, other than the speaker's; at least twice, or ``None``."""
    taken = set(speaker.split()) | _NOT_A_TOPIC | _TITLES
    counted = Counter(
        match.group() for match in _PROPER.finditer(text) if not taken.intersection(match.group().split())
    )
    topic, times = counted.most_common(1)[0] if counted else ("", 0)
    return topic if times >= 2 else None
