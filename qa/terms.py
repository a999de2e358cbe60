"""Words of a text as the lexical side compares them, and the language of a question.

Pure functions; stop words and stems are looked up here and nowhere else.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from functools import cache, lru_cache
from operator import itemgetter

import snowballstemmer

from embeddings.glosses import read_glosses
from qa.types import Language

_WORD = re.compile(r"\d+(?:[.,:/]\d+)*|\w+")
_WRITTEN_WORD = re.compile(r"\d+(?:[.,:/]\d+)*|\w[\w\u0300-\u036f]*")
"""A word before accents are folded: an accent may be a character of its own."""
_STEMMER = snowballstemmer.stemmer("indonesian")
_ENGLISH_STEMMER = snowballstemmer.stemmer("english")
_MOST_TRANSLATIONS = 8
"""Of an English word. More find no more: nDCG@10 of words alone for English questions is 0.681 with 3, 0.686 with 6 to
8, 0.676 with 24 (SQuAD in Indonesian, development questions among 14,168 passages)."""
_STEMMING = threading.Lock()  # a stemmer works on a word it keeps in itself

INDONESIAN_STOP_WORDS = frozenset(
    """
    ada adalah akan apa apakah apanya atas atau bagaimana bagaimanakah bahwa banyak beberapa berapa berapakah
    bisa dalam dan dapat dari dengan di dia dimana dimanakah dong hal hingga ia ini itu jelaskan juga
    jumlah kah kapan kapankah karena ke kenapa kepada lah mana manakah mengapa mengapakah menurut mereka nama nya oleh
    pada para pernah saat saja saya sebagai sebuah sebutkan sejak sedang seorang seperti siapa siapakah sih
    sudah tahun tahukah tanggal telah tentang terhadap tersebut tidak untuk yaitu yang
    """.split()
)
ENGLISH_STOP_WORDS = frozenset(
    """
    a about after an and any are as at be been before between but by can could date describe did do does
    during explain for from give had has have he her his how i if in into is it its list many much name of on
    or she so tell than that the their them there these they this those to was we were what when where which
    who whom whose why will with would year you your
    """.split()
)
_ENGLISH_ONLY = ENGLISH_STOP_WORDS - {"a", "i", "on", "so", "many", "date", "year", "her", "be", "an"} | {
    "said",
    "say",
}
_INDONESIAN_ONLY = INDONESIAN_STOP_WORDS - {"nama", "para", "ada", "hal"} | {"berita", "kata"}


def words(text: str) -> list[str]:
    """Return the words of ``text`` in order: lower-cased, accents folded, numbers like "5,3" kept whole."""
    return _WORD.findall(_folded(text))


def located_words(text: str) -> list[tuple[int, int, str]]:
    """Return the words of ``text`` with the characters ``[start, end)`` where each stands, in order."""
    return [(found.start(), found.end(), _folded(found.group())) for found in _WRITTEN_WORD.finditer(text)]


def _folded(text: str) -> str:
    # Folding can undo the decomposition and decomposing uncover capitals ("𝕊"), so one is done on both sides.
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(char for char in folded if not unicodedata.combining(char))


@lru_cache(maxsize=200_000)
def stem(word: str) -> str:
    """Return the Snowball stem for Indonesian of one word of ``words()``."""
    with _STEMMING:
        return str(_STEMMER.stemWord(word))


@lru_cache(maxsize=200_000)
def _english_stem(word: str) -> str:
    with _STEMMING:
        return str(_ENGLISH_STEMMER.stemWord(word))


def query_words(question: str) -> list[str]:
    """Return the distinct words of ``question`` worth looking up, in order.

    Function words of both languages are left out; a question made only of them keeps them all.
    """
    every = list(dict.fromkeys(words(question)))
    content = [word for word in every if word not in ENGLISH_STOP_WORDS and word not in INDONESIAN_STOP_WORDS]
    return content or every


def query_terms(question: str, language: Language) -> list[tuple[str, ...]]:
    """Return what to look up for each of ``query_words(question)``: the word, then what Indonesian news says for it.

    Only English questions have more than the word itself; an English word that is nobody's gloss, a name
    above all, stands alone.
    """
    if language == "id":
        return [(word,) for word in query_words(question)]
    return [(word, *_translations().get(_english_stem(word), ())) for word in query_words(question)]


def read_terms(question: str) -> list[tuple[str, ...]]:
    """Return for each of ``query_words(question)`` the word and what may stand for it in a passage that answers.

    More than ``query_terms`` gives: an Indonesian word has those that share its first English gloss, "tewas" for
    "meninggal". That is too loose to search by, but tells where in a passage to look.
    """
    if detect_language(question) == "en":
        return query_terms(question, "en")
    return [(word, *_synonyms().get(word, ())) for word in query_words(question)]


def detect_language(question: str) -> Language:
    """Return ``"en"`` or ``"id"`` by the question's function words; a tie is Indonesian, the archive's language.

    Names carry no vote, so questions full of them are safe: 25 errors in 11,649 Indonesian and 4 in 11,877
    English questions of IDK-MRC, FacQA and SQuAD.
    """
    found = words(question)
    english = sum(word in _ENGLISH_ONLY for word in found)
    indonesian = sum(word in _INDONESIAN_ONLY or word.endswith(("kah", "nya")) for word in found)
    return "en" if english > indonesian else "id"


@cache
def _synonyms() -> dict[str, tuple[str, ...]]:
    """Return for each Indonesian word the others that mean what its first English gloss does."""
    found = {}
    for word, glosses in read_glosses().items():
        content = [part for part in words(glosses[0]) if part not in ENGLISH_STOP_WORDS]
        if len(content) == 1:
            found[word] = _translations()[_english_stem(content[0])]
    return found


@cache
def _translations() -> dict[str, tuple[str, ...]]:
    """Return the Indonesian words for each English stem, those that mean it first of all before others."""
    found: dict[str, list[tuple[int, str]]] = {}
    for word, glosses in read_glosses().items():
        for place, gloss in enumerate(glosses):
            # "the house" and "was arrested" say as much as one word; "house of representatives" says something else.
            content = [part for part in words(gloss) if part not in ENGLISH_STOP_WORDS]
            if len(content) == 1:
                found.setdefault(_english_stem(content[0]), []).append((place, word))
    return {
        english: tuple(dict.fromkeys(word for _, word in sorted(listed, key=itemgetter(0))))[
            :_MOST_TRANSLATIONS
        ]
        for english, listed in found.items()
    }
