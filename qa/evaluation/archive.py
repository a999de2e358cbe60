"""What a question set names, found in an index: articles by file name, end of path or external id.

Knows a store's names and texts; knows nothing of models, answers or metrics.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from qa.evaluation.normalise import holds
from qa.evaluation.questions import Problem, Question
from qa.store import Store

_UNSAFE = re.compile(r"[\s%]")


@dataclass(frozen=True, slots=True)
class Names:
    """Every name of every article. Duplicates of an article have one id, so each of their names stands for it."""

    by_external_id: dict[str, str]
    by_path: dict[str, set[str]]
    by_file_name: dict[str, list[tuple[str, str]]]
    primary: dict[str, str]
    external_ids: dict[str, list[str]]

    @classmethod
    def of(cls, store: Store) -> Self:
        """Read all names of ``store``."""
        names = cls({}, {}, {}, {}, {})
        for path, external_id, article_id in store.names():
            if external_id is not None:
                names.by_external_id.setdefault(external_id, article_id)
                names.external_ids.setdefault(article_id, []).append(external_id)
            names.by_path.setdefault(path, set()).add(article_id)
            names.by_file_name.setdefault(_file_name(path), []).append((path, article_id))
            names.primary.setdefault(article_id, external_id or path)
        return names

    def find(self, name: str) -> set[str]:
        """Return the ids of the articles that ``name`` may mean: one, none, or several if it is not clear."""
        if name in self.by_external_id:
            return {self.by_external_id[name]}
        if name in self.by_path:
            return self.by_path[name]
        return {
            article_id
            for path, article_id in self.by_file_name.get(_file_name(name), ())
            if path.endswith("/" + name)
        }

    def relevant(self, question: Question) -> dict[str, int]:
        """Return the grades of the right articles by id, or by the name given where no one article has it.

        The highest grade counts where several names are one article. What is not in the index stays in, because it
        cannot be found and so counts as missed.
        """
        grades: dict[str, int] = {}
        for name, grade in question.articles.items():
            found = self.find(name)
            key = next(iter(found)) if len(found) == 1 else f"missing:{name}"
            grades[key] = max(grade, grades.get(key, 0))
        return grades

    def document_name(self, article_id: str, question: Question) -> str:
        """Return the name of an article for run files: the one that ``question`` uses if any, without blanks."""
        known = self.external_ids.get(article_id, [])
        # An article added since has no name here; the run stops at it.
        primary = self.primary.get(article_id, article_id)
        name = next((name for name in known if name in question.articles), primary)
        return run_name(name)


def check_against(store: Store, question: Question, names: Names) -> Iterator[Problem]:
    """Yield what of ``question`` the index does not bear out: articles it lacks, answers they do not hold."""
    texts = []
    for name in question.articles:
        found = names.find(name)
        if len(found) != 1:
            trouble = "names several articles of the index" if found else "is not in the index"
            yield Problem(question.row, f"article {name!r} {trouble}")
            continue
        texts += [
            f"{article.title or ''}\n{article.text}" for article in store.articles(list(found)).values()
        ]
    if not texts:
        return
    for answer in question.answers or ():
        if not any(" ".join(answer.split()) in " ".join(text.split()) for text in texts) and not any(
            holds(text, [answer]) for text in texts
        ):
            yield Problem(
                question.row, f"answer {answer!r} is not in the text of {', '.join(question.articles)}"
            )


def run_name(name: str) -> str:
    """Return ``name`` without blanks, which part the fields of a TREC run."""
    return _UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found.group().encode()), name)


def _file_name(path: str) -> str:
    return path.rpartition("/")[2]
