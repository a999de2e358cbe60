"""When two answers say the same: exact match and F1, by SQuAD's rules or by rules for Indonesian news.

Pure functions over texts. The Indonesian rules and their reasons are listed in docs/evaluation.md.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Literal

Rules = Literal["indonesian", "squad"]

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "januari january jan",
            "februari pebruari february feb",
            "maret march mar",
            "april apr",
            "mei may",
            "juni june jun",
            "juli july jul",
            "agustus august agt agu aug ags",
            "september sept sep",
            "oktober october okt oct",
            "november nopember nov nop",
            "desember december des dec",
        ),
        start=1,
    )
    for name in names.split()
}
_MONTH_NAMES = (
    "januari februari maret april mei juni juli agustus september oktober november desember".split()
)
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_NUMBER = r"\d+(?:[.,]\d+)*"
_SCALES = {
    "rb": "ribu",
    "ribu": "ribu",
    "jt": "juta",
    "juta": "juta",
    "m": "miliar",
    "miliar": "miliar",
    "milyar": "miliar",
    "t": "triliun",
    "triliun": "triliun",
    "trilyun": "triliun",
    "trilliun": "triliun",
}
_SPELLINGS = {"milyar": "miliar", "trilyun": "triliun", "trilliun": "triliun", "hektar": "hektare"}
_UNITS = {
    "%": "persen",
    "percent": "persen",
    "km2": "kilometer persegi",
    "m2": "meter persegi",
    "km": "kilometer",
    "kg": "kilogram",
    "cm": "sentimeter",
    "mm": "milimeter",
    "ha": "hektare",
    "m": "meter",
}
_ARTICLES = frozenset({"sang", "si", "para"})

_HONORIFIC = re.compile(
    r"(?<!\w)(?:Bapak|Bpk|Pak|Ibu|Bu|Saudara|Saudari|Sdr|Sdri|Tuan|Tn|Nyonya|Ny|Haji|Hajah|KH|Hj|H|Prof|Profesor|"
    r"[Dd]rh|Drs|Dra|Dr|Doktor|Ir)\.?\s+(?=[A-Z])"
)
_OFFICE = re.compile(
    r"(?<!\w)(?:Wakil Presiden|Wapres|Presiden|Perdana Menteri|PM|Kanselir|Paus|Jenderal|Letjen|Mayjen|Brigjen|Kolonel|"
    r"Letkol|Mayor|Kapten)\s+(?=([A-Z][\w'’-]+))"
)
_NO_PERSON = frozenset(
    """
    Afghanistan Afrika Amerika Arab Argentina Armenia AS Asia Australia Austria Azerbaijan Bank Belanda
    Belarus Belgia Brasil Britania Brunei Bulgaria Cek Chad Chile Cina China Denmark Direktur Dewan Ekuador
    Eropa Federasi Filipina Finlandia FIFA Georgia Ghana Hongaria IOC India Indonesia Inggris Irak Iran
    Irlandia Israel Italia Jepang Jerman Kamboja Kanada Kazakhstan Kenya Kirgizstan Kolombia Komisaris
    Komisi Konfederasi Korea Korsel Korut Kroasia Kuba Laos Lebanon Libya Malaysia Maroko Meksiko Mesir
    Mongolia Myanmar Nepal Nigeria Norwegia Pakistan Palestina Parlemen Pemerintah Peru Polandia Polisi
    Portugal Prancis Purnawirawan Republik RI Rumania Rusia Selandia Serbia Singapura Slowakia Spanyol Sri
    Sudan Suriah Swedia Swiss TNI Tiongkok Thailand Tim Timnas Timor Tunisia Turki Turkiye Uganda Ukraina
    Uni Uruguay Venezuela Vietnam Yaman Yordania Yunani Zimbabwe
    """.split()
)
"""Words that, after an office, say of what: "Presiden Rusia" is not the name Rusia with a title."""

_RUPIAH = re.compile(
    rf"(?:\brp\.?|\bidr)\s*({_NUMBER})(?:,-|,00\b)?(?:[\s-]*({'|'.join(sorted(_SCALES, key=len, reverse=True))})\b)?"
)
_DOLLAR = re.compile(
    rf"(?:\bus\s*\$|\busd|\$)\s*({_NUMBER})(?:\s*({'|'.join(sorted(_SCALES, key=len, reverse=True))})\b)?"
)
_DOLLAR_WORDS = re.compile(r"\b(?:dollar|dolar)(?: (?:as|amerika(?: serikat)?)\b)")
_NUMERIC_DATE = re.compile(r"(?<![\w/.,-])(\d{1,2})([/-])(\d{1,2})\2(\d{4})(?![\w/-])")
_SHORT_DATE = re.compile(r"(?<![\w/.,-])(\d{1,2})/(\d{1,2})(?![\w/-])")
_ISO_DATE = re.compile(r"(?<![\w/.,-])(\d{4})-(\d{2})-(\d{2})(?![\w/-])")
_NAMED_DATE = re.compile(rf"(?<!\w)0?(\d{{1,2}})[\s-]({_MONTH})\b\.?")
_NAMED_MONTH = re.compile(rf"\b({_MONTH})\b\.?(?=,? \d{{4}}\b)")
_ENGLISH_DATE = re.compile(rf"\b({_MONTH})\.? (\d{{1,2}})(?:st|nd|rd|th)?,? (\d{{4}})\b")
_CLOCK = re.compile(r"\b([01]?\d|2[0-3])[.:]([0-5]\d)(?=\s*(?:wib|wita|wit)\b)")
_CLOCK_AFTER = re.compile(r"(?<=pukul )([01]?\d|2[0-3])[.:]([0-5]\d)\b")
_UNIT = re.compile(
    rf"(?<=\d)\s*({'|'.join(map(re.escape, sorted(_UNITS, key=len, reverse=True)))})(?:\b|(?<=%))"
)
_INSIDE_WORD = re.compile(r"(?<=[^\W\d_])[.'’‘`](?=[^\W\d_])|(?<=[^\W\d_])[’‘'`](?=\s|$)")
_TOKEN = re.compile(r"\d+(?:[.:]\d+)*(?!\w)|\w+")


def exact_match(prediction: str, golds: Sequence[str], rules: Rules = "indonesian") -> float:
    """Return 1 if ``prediction`` equals one of ``golds`` after normalisation, else 0; without golds only "" does."""
    tokens = normalise(prediction, rules)
    return float(any(tokens == normalise(gold, rules) for gold in golds or ("",)))


def f1(prediction: str, golds: Sequence[str], rules: Rules = "indonesian") -> float:
    """Return the best F1 (0 to 1) over ``golds`` of the tokens shared; without golds only "" is right."""
    tokens = normalise(prediction, rules)
    return max(_overlap(tokens, normalise(gold, rules)) for gold in golds or ("",))


def holds(text: str, golds: Sequence[str], rules: Rules = "indonesian") -> bool:
    """Whether ``text`` has the tokens of one of ``golds`` in a row."""
    tokens = normalise(text, rules)
    for gold in golds:
        wanted = normalise(gold, rules)
        starts = range(len(tokens) - len(wanted) + 1)
        if wanted and any(tokens[start : start + len(wanted)] == wanted for start in starts):
            return True
    return False


@lru_cache(maxsize=20_000)
def normalise(text: str, rules: Rules = "indonesian") -> tuple[str, ...]:
    """Return the tokens of ``text`` by which it is compared."""
    return tuple(_RULES[rules](text))


def _squad(text: str) -> list[str]:
    """SQuAD v1.1: lower case, no ASCII punctuation, no articles, blanks as one."""
    lowered = "".join(char for char in text.lower() if char not in _PUNCTUATION)
    return re.sub(r"\b(a|an|the)\b", " ", lowered).split()


def _indonesian(text: str) -> list[str]:
    text = unicodedata.normalize("NFKC", text)
    text = _OFFICE.sub(_without_office, _HONORIFIC.sub("", _HONORIFIC.sub("", text)))
    text = " ".join(text.casefold().split())
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    text = _INSIDE_WORD.sub("", text)
    text = re.sub(rf"(?<![\w:])({_NUMBER})(?!\w)", _canonical_number, text)
    tokens = [_SPELLINGS.get(token, token) for token in _TOKEN.findall(text)]
    # An answer made of an article alone is still one.
    return [token for token in tokens if token not in _ARTICLES] or tokens


def _overlap(prediction: tuple[str, ...], gold: tuple[str, ...]) -> float:
    if not prediction or not gold:
        return float(prediction == gold)
    shared = sum((Counter(prediction) & Counter(gold)).values())
    return 2 * shared / (len(prediction) + len(gold))


def _without_office(found: re.Match[str]) -> str:
    return found.group() if found.group(1) in _NO_PERSON else ""


def _date(day: str, month: str, year: str = "") -> str | None:
    if not (1 <= int(day) <= 31 and 1 <= int(month) <= 12):
        return None
    return " ".join(filter(None, (str(int(day)), _MONTH_NAMES[int(month) - 1], year)))


def _numeric_date(found: re.Match[str]) -> str:
    return _date(found[1], found[3], found[4]) or found.group()


def _short_date(found: re.Match[str]) -> str:
    return _date(found[1], found[2]) or found.group()


def _iso_date(found: re.Match[str]) -> str:
    return _date(found[3], found[2], found[1]) or found.group()


def _named_date(found: re.Match[str]) -> str:
    return _date(found[1], str(_MONTHS[found[2]])) or found.group()


def _named_month(found: re.Match[str]) -> str:
    return _MONTH_NAMES[_MONTHS[found[1]] - 1]


def _english_date(found: re.Match[str]) -> str:
    return _date(found[2], str(_MONTHS[found[1]]), found[3]) or found.group()


def _money(currency: str) -> Callable[[re.Match[str]], str]:
    def rewritten(found: re.Match[str]) -> str:
        return " ".join(filter(None, (found[1], _SCALES.get(found[2] or "", ""), currency)))

    return rewritten


def _clock(found: re.Match[str]) -> str:
    return f"{int(found[1]):02}:{found[2]}"


def _unit(found: re.Match[str]) -> str:
    return f" {_UNITS[found[1]]} "


def _canonical_number(found: re.Match[str]) -> str:
    """Dots before three digits part thousands, a comma starts decimals, as in Indonesian; 5,30 is 5,3."""
    number = found[1]
    if re.fullmatch(r"[1-9]\d{0,2}(?:\.\d{3})+(?:,\d+)?", number):
        number = number.replace(".", "").replace(",", ".")
    elif re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3}){2,}(?:\.\d+)?", number):
        number = number.replace(",", "")
    elif re.fullmatch(r"\d+,\d+", number):
        number = number.replace(",", ".")
    else:
        return number
    return number.rstrip("0").rstrip(".") if "." in number else number


_PUNCTUATION = frozenset(string.punctuation)
_RULES: dict[Rules, Callable[[str], list[str]]] = {"squad": _squad, "indonesian": _indonesian}
_REWRITES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (_ENGLISH_DATE, _english_date),
    (_ISO_DATE, _iso_date),
    (_NUMERIC_DATE, _numeric_date),
    (_SHORT_DATE, _short_date),
    (_NAMED_DATE, _named_date),
    (_NAMED_MONTH, _named_month),
    (_CLOCK, _clock),
    (_CLOCK_AFTER, _clock),
    (_RUPIAH, _money("rupiah")),
    (_DOLLAR, _money("dolar as")),
    (_DOLLAR_WORDS, "dolar as"),
    (_UNIT, _unit),
)
