"""A follow-up ("And when?", "Bagaimana dengan Armenia?") made a question that stands alone, without a language model.

What a follow-up leaves out is carried over from the question before and its answer: a bare question word takes the
place of the one before, a name that of the name before, a pronoun is spelt out. Whoever asked is shown the result.
Pure functions over wording, in English and Indonesian; nothing is looked up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from qa.terms import ENGLISH_STOP_WORDS, INDONESIAN_STOP_WORDS, detect_language, query_words, words
from qa.types import Language


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question that stood alone, or was made to, and its answer; ``None`` if there was none."""

    question: str
    answer: str | None


_LEAD_IN: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"^(?:and|but|so|ok(?:ay)?|then|also|well)\b[,\s]*", re.IGNORECASE),
    "id": re.compile(
        r"^(?:dan|lalu|terus|kemudian|tapi|tetapi|nah|oke|trus|sedangkan|adapun)\b[,\s]*", re.IGNORECASE
    ),
}
_ABOUT: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"^(?:what|how) about\s+", re.IGNORECASE),
    "id": re.compile(
        r"^(?:(?:bagaimana|gimana)(?:kah)?\s+(?:dengan|kalau|untuk|di)\s+|kalau\s+|kalo\s+)", re.IGNORECASE
    ),
}

_BE_OR_DO = "did|does|do|was|were|is|are|will|would|has|have|had|can|could|should|may|might"
_EN_ASPECT = (
    r"(?:(?:at|in|on|for|by|from|to|with|of|since|until|about|against)\s+)?"
    r"(?:when|where|why|how(?:\s+(?:many|much|long|old|far|big|often))?|who(?:m|se)?|what\s+for|"
    rf"(?:what|which)(?:\s+(?!(?:{_BE_OR_DO}|happen\w*|about)\b)[a-z][\w’'-]*)?)"
)
_ID_ASPECT = (
    r"(?:(?:dengan|oleh|dari|untuk|kepada|di|ke|sejak|sampai|hingga|pada|terhadap|melawan)\s+)?"
    r"(?:kapan|(?:di|ke|dari)\s?mana|mengapa|kenapa|bagaimana|gimana|berapa(?:\s+(?:banyak|lama|jumlah|orang|besar))?"
    r"|siapa|apa|(?:tanggal|tahun|jam|pukul)\s+berapa|(?:hari|bulan)\s+apa|(?!yang\b)[a-z]+\s+(?:apa|mana)"
    r"|mana)(?:kah)?(?:\s+saja)?"
)
_ASPECT: dict[Language, re.Pattern[str]] = {
    "en": re.compile(rf"^({_EN_ASPECT})\b", re.IGNORECASE),
    "id": re.compile(rf"^({_ID_ASPECT})\b", re.IGNORECASE),
}
"""The words that ask, at the beginning of a question."""
_EMPTY: dict[Language, re.Pattern[str]] = {
    "en": re.compile(
        r"^(?:\s|exactly|else|did|does|was|is|were|will|that|this|(?:it|they)\s+(?:happen|take\s+place)|happen(?:ed)?|take|took|place|be|so)*\??$",
        re.IGNORECASE,
    ),
    "id": re.compile(
        r"^(?:\s|itu|ini|tepatnya|persisnya|terjadi|terjadinya|kejadiannya|hal|lagi|waktunya|tempatnya)*\??$",
        re.IGNORECASE,
    ),
}
"""What may follow a bare question word without asking more."""

_AUXILIARY = re.compile(rf"^(?:{_BE_OR_DO})\b", re.IGNORECASE)
_SUBJECT_ASKED: dict[Language, re.Pattern[str]] = {
    "en": re.compile(
        r"^(?:who|what|which\s+[\w’'-]+(?:\s+[\w’'-]+)?|how\s+(?:many|much)\s+[\w’'-]+)\s+"
        rf"(?!(?:{_BE_OR_DO})\b)(?=[\w’'-]+(?:ed|s|t|d|n|e|w|k|g)\b)",
        re.IGNORECASE,
    ),
    "id": re.compile(
        r"^(?:siapa(?:kah)?|apa(?:kah)?|negara\s+mana|perusahaan\s+mana)\s+yang\s+", re.IGNORECASE
    ),
}
"""The beginning of a question whose subject is what is asked for: "Who mediated …", "Siapa yang …"."""

_NAME = re.compile(
    r"(?<![\w])[A-Z][\w’'.&-]*(?:(?:\s+(?:of|the|and|dan|di|bin|van|de|al|for)\s+|\s+|[–/])[A-Z0-9][\w’'.&-]*)*"
)
_COUNTED: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"^how\s+many\s+([a-z-]+)", re.IGNORECASE),
    "id": re.compile(r"^berapa(?:\s+(?:perkiraan|total|banyak|jumlah))*\s+([a-z-]+)", re.IGNORECASE),
}
_INITIALS = re.compile(r"(?<!\w)[A-Z]{2,}(?!\w)")
_MONTH = re.compile(
    r"(?:jan|feb|mar|apr|ma[yi]|jun|jul|aug|agu|sep|o[ck]t|nov|de[cs])[a-z]*\b", re.IGNORECASE
)
_NUMBER = re.compile(r"(?<!\w)(?:19|20)\d\d(?!\w)")
_PREPOSITION: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"^(?:in|at|on|for|from|to|with|by|of|against|during)\s+(?:the\s+)?", re.IGNORECASE),
    "id": re.compile(r"^(?:di|ke|dari|pada|untuk|dengan|oleh|dalam|tahun)\s+", re.IGNORECASE),
}

_PRONOUNS: dict[Language, tuple[tuple[re.Pattern[str], str], ...]] = {
    "en": (
        (re.compile(r"\b(?:his|their|its|her(?=\s+[a-z]))\b", re.IGNORECASE), "{}'s"),
        (
            re.compile(
                r"\b(?:he|she|him|her|they|them|it(?!\s+(?:that|true|possible|known|said|likely|clear)\b))\b",
                re.IGNORECASE,
            ),
            "{}",
        ),
        (re.compile(r"(?<=[a-z] )(?<!(?:is|as) )(?<!(?:are|ere) )there\b", re.IGNORECASE), "in {}"),
        (
            re.compile(r"\b(?:that|this)\b(?=\s*\??$|\s+(?:happen|take|start|end|begin)\w*)", re.IGNORECASE),
            "{}",
        ),
    ),
    "id": (
        (re.compile(r"\b(?:dia|ia|beliau|mereka)\b", re.IGNORECASE), "{}"),
        (re.compile(r"\bdi\s?(?:sana|situ)\b", re.IGNORECASE), "di {}"),
        (re.compile(r"(?<=[a-z])nya\b"), " {}"),
        (re.compile(r"(?<=[a-z])\s+(?:itu|tersebut)\b"), " {}"),
    ),
}
_NOT_POSSESSIVE = frozenset(
    "hanya tanya punya bertanya ditanya menanya adanya akhirnya biasanya sebelumnya sesudahnya sebenarnya tepatnya "
    "misalnya rupanya mulanya semuanya seharusnya selanjutnya sepenuhnya setidaknya umumnya khususnya kiranya "
    "sebaiknya sepertinya terutamanya".split()
)
_HAPPENING = re.compile(r"(?:ter\w+|di\w+kan|ber\w+)nya\s+\w", re.IGNORECASE)
_PLACE_ASKED = re.compile(
    r"\b(?:where|which (?:city|country|place|island)|(?:di|ke) ?mana|kota (?:apa|mana))\b", re.I
)
_PERSON_PRONOUN = re.compile(r"\b(?:he|she|him|his|her|dia|ia|beliau)\b", re.IGNORECASE)
_QUESTION_WORDS = frozenset(
    "when where why how who whom whose what which kapan mana dimana kemana darimana mengapa kenapa bagaimana gimana "
    "berapa siapa apa apakah berapakah siapakah kapankah".split()
)
_LONGEST = 12
"""Words at most of a question that something is added to: a longer one says what it is about."""
_LONGEST_ANSWER = 6
"""Words at most of an answer that takes part in the next question."""


def standalone(question: str, before: Sequence[Exchange]) -> str | None:
    """Return ``question`` with what it takes over from the exchanges ``before``, oldest first.

    ``None`` if it stands alone, as far as its wording tells, or there is nothing before.
    """
    asked = " ".join(question.split())
    if not before or not asked:
        return None
    last = before[-1]
    language = _language(asked, last.question)
    rest, led_in = _without_lead_in(asked, language)
    about = _ABOUT[language].match(rest)
    if about:
        return _substituted(rest[about.end() :], last, language)
    aspect = _ASPECT[language].match(rest)
    if aspect and _EMPTY[language].match(rest[aspect.end() :]):
        return _with_aspect(aspect.group(), last, language)
    if led_in and not aspect and _QUESTION_WORDS.isdisjoint(words(rest)) and not _AUXILIARY.match(rest):
        return _substituted(rest, last, language)
    if len(rest.split()) > _LONGEST:
        return None
    spelt = _spelt_out(rest, before, language)
    if spelt is not None:
        return _sentence(spelt)
    # "And how many were injured?" says neither whom nor where.
    if led_in and aspect and not _names(rest):
        topic = _topic(last.question, language)
        if topic:
            return _sentence(f"{rest.rstrip(' ?')} {'dalam' if language == 'id' else 'in'} {topic}")
    return None


def _language(asked: str, before: str) -> Language:
    """Return the language of a follow-up; one that has no function word of either has that of the question before."""
    known = INDONESIAN_STOP_WORDS | ENGLISH_STOP_WORDS | _QUESTION_WORDS
    return detect_language(asked) if not known.isdisjoint(words(asked)) else detect_language(before)


def _without_lead_in(asked: str, language: Language) -> tuple[str, bool]:
    found = _LEAD_IN[language].match(asked)
    return (asked[found.end() :], True) if found and found.end() < len(asked) else (asked, False)


def _with_aspect(aspect: str, last: Exchange, language: Language) -> str:
    """Ask another thing of what the question before was about."""
    before = last.question.rstrip(" ?")
    subject = _SUBJECT_ASKED[language].match(before)
    if subject:
        said = last.answer if last.answer and len(last.answer.split()) <= _LONGEST_ANSWER else ""
        told = before[subject.end() :]
        if language == "id":
            return _sentence(f"{aspect} {said} {told}")
        # Grammatical whatever the verb's form: "When was it that Lavrov mediated the talks?"
        return _sentence(f"{aspect} was it that {said or 'someone'} {told}")
    own = _ASPECT[language].match(before)
    if own:
        return _sentence(f"{aspect}{before[own.end() :]}")
    return _sentence(f"{aspect} {before}")


def _substituted(new: str, last: Exchange, language: Language) -> str:
    """Ask the question before of something else."""
    before, new = last.question.rstrip(" ?"), new.rstrip(" ?")
    noun = re.fullmatch(r"([\w ]+?)-?nya", new) if language == "id" else None
    if noun:
        # "Dan TPS-nya?": of the same, another thing is counted.
        counted = _COUNTED["id"].match(before)
        return _sentence(_replaced(before, counted.span(1), noun.group(1)) if counted else f"{before} {new}")
    preposition = _PREPOSITION[language].match(new)
    bare = new[preposition.end() :] if preposition else new
    if _NUMBER.fullmatch(bare):
        years = list(_NUMBER.finditer(before))
        if years:
            return _sentence(_replaced(before, years[-1].span(), bare))
        return _sentence(
            f"{before} {new if preposition else ('pada ' if language == 'id' else 'in ') + bare}"
        )
    names = _names(before)
    if names and _NAME.match(bare):
        return _sentence(_replaced(before, _likest(before, names, bare), bare))
    # "And the secretary general?" after "Who is the chief of …"; "And foreigners?" after "How many people …".
    counted = _COUNTED[language].match(before)
    role = re.search(r"\bthe\s+[a-z]+(?:\s+[a-z]+)?(?=\s+of\b)", before) if bare.startswith("the ") else None
    if role:
        return _sentence(_replaced(before, role.span(), bare))
    if counted and not preposition:
        return _sentence(_replaced(before, counted.span(1), bare))
    content = [word for word in query_words(before) if word not in _QUESTION_WORDS and not word[0].isdigit()]
    if preposition or not content:
        return _sentence(f"{before} {new}")
    ends = [found.span() for found in re.finditer(rf"\b{re.escape(content[-1])}\b", before, re.IGNORECASE)]
    return _sentence(_replaced(before, ends[-1], bare) if ends else f"{before} {new}")


def _likest(before: str, names: Sequence[tuple[int, int]], new: str) -> tuple[int, int]:
    """Return the name that the new one stands for: one with as many words, "BNI" for "BCA"; of those the last."""
    if new.isupper() and (initials := list(_INITIALS.finditer(before))):
        return initials[-1].span()
    alike = [span for span in names if len(before[slice(*span)].split()) == len(new.split())]
    return (alike or list(names))[-1]


def _spelt_out(rest: str, before: Sequence[Exchange], language: Language) -> str | None:
    """Put what a pronoun stands for in its place; ``None`` without one, or without anything it may stand for."""
    for pattern, form in _PRONOUNS[language]:
        for found in pattern.finditer(rest):
            word = rest[: found.end()].split()[-1].lower()
            # "terjadinya banjir" is the happening of a flood, nobody's.
            if word in _NOT_POSSESSIVE or _HAPPENING.match(rest, rest[: found.end()].rfind(" ") + 1):
                continue
            # "When did Jokowi announce his cabinet?" says itself whose.
            if any(end <= found.start() for _, end in _names(rest)):
                continue
            if language == "id" and word in ("itu", "tersebut") and _defines(rest, found.start()):
                continue
            object_of_verb = found.group() == "nya" and word.startswith("me")
            meant = _meant("itu" if object_of_verb else found.group(), before, language)
            if meant is None or meant.lower() in rest.lower():
                continue
            start = found.start()
            noun = rest[:start].split()[-1] if rest[:start].split() else ""
            # "pembicaraan itu": the noun is not said twice.
            if noun.lower() == meant.split()[0].lower():
                start -= len(noun)
                meant = f" {meant}" if start and rest[start - 1] != " " else meant
                return f"{rest[:start]}{meant}{rest[found.end() :]}"
            return f"{rest[:start]}{form.format(meant)}{rest[found.end() :]}"
    return None


def _defines(rest: str, end: int) -> bool:
    """Whether "itu" only marks what is explained: "apa fotosintesis itu", "apa itu fotosintesis"."""
    return bool(re.match(r"^(?:apa|siapa)(?:kah)?(?:\s+[\w-]+)?$", rest[:end], re.IGNORECASE))


def _meant(pronoun: str, before: Sequence[Exchange], language: Language) -> str | None:
    """Return what a pronoun stands for: the last answer, or what the last questions were about."""
    place = bool(re.search(r"there|sana|situ", pronoun, re.IGNORECASE))
    person = bool(_PERSON_PRONOUN.search(pronoun)) or pronoun == "nya"
    for exchange in reversed(before):
        answer = exchange.answer
        if answer and _NAME.match(answer) and len(answer.split()) <= _LONGEST_ANSWER:
            asked_place = bool(_PLACE_ASKED.search(exchange.question))
            asked_person = bool(re.search(r"\b(?:who|whom|siapa)", exchange.question, re.IGNORECASE))
            if (place and asked_place) or (person and asked_person):
                return answer
        if not place and not person and (topic := _topic(exchange.question, language)):
            return topic
        names = [re.sub(r"['’]s$", "", exchange.question[slice(*span)]) for span in _names(exchange.question)]
        places = [name for name in names if not _MONTH.match(name)]
        if names:
            return places[-1] if place and places else names[0]
    return None


def _topic(question: str, language: Language) -> str:
    """Return what a question is about: from its first name, with the noun before it, or "the …", on."""
    before = question.rstrip(" ?")
    if language == "en":
        found = re.search(r"\b(?:the|a|an)\s+(?!same\b).+$", before)
        names = _names(before)
        if found and (not names or found.start() < names[0][0]):
            return _cut_verb(found.group())
    names = _names(before)
    asking = _ASPECT[language].match(before)
    if language == "id" and asking:
        told = before[asking.end() :].strip()
        if told and not re.match(r"(?:yang|me|di|ber|ter|akan|[A-Z])", told):
            return told
    if not names:
        return ""
    start, end = names[0][0], names[-1][1]
    if language == "id":
        noun = re.search(r"([a-z]{3,})\s+(?:di\s+|antara\s+)?$", before[:start])
        if noun and noun.group(1) not in INDONESIAN_STOP_WORDS:
            start = noun.start()
    return before[start:end]


def _cut_verb(phrase: str) -> str:
    return re.sub(
        r"\s+(?:happen|take place|begin|start|end|occur|open|close|held|made|sold|built|signed|won|born)\b.*$"
        r"|\s+[a-z]+ed$",
        "",
        phrase,
    )


def _names(question: str) -> list[tuple[int, int]]:
    """Return where names stand: capitalised words but for the one that begins the question."""
    found = []
    asking = max((m.end() for m in (each.match(question) for each in _ASPECT.values()) if m), default=0)
    for name in _NAME.finditer(question, asking):
        start, end = name.span()
        first = question[start:].split()[0].strip("’'.").lower()
        if start == 0 and (first in _QUESTION_WORDS or first in ENGLISH_STOP_WORDS | INDONESIAN_STOP_WORDS):
            following = re.compile(r"\s+").search(question, start)
            inner = _NAME.match(question, following.end()) if following and following.end() < end else None
            if inner is None:
                continue
            start = inner.start()
        found.append((start, end))
    return found


def _replaced(text: str, span: tuple[int, int], new: str) -> str:
    return text[: span[0]] + new + text[span[1] :]


def _sentence(text: str) -> str:
    text = " ".join(text.split()).rstrip(" ?.!")
    return f"{text[:1].upper()}{text[1:]}?"
