"""What kind of answer a question wants: a fact, an explanation in sentences, or evidence for a yes or no.

Pure functions over the wording of a question, in English and Indonesian.
"""

from __future__ import annotations

import re
from typing import Literal

from qa.types import Language

Kind = Literal["fact", "explanation", "yes_no"]

_POLITE: dict[Language, re.Pattern[str]] = {
    "en": re.compile(
        r"^(?:please|kindly|(?:can|could|would) you(?: please)?|and|but|so)[,\s]+", re.IGNORECASE
    ),
    "id": re.compile(
        r"^(?:tolong|mohon|coba|silakan|bisakah (?:anda|kamu)|dan|lalu|tapi)[,\s]+", re.IGNORECASE
    ),
}
_MEASURE = (
    "many|much|long|old|far|high|large|big|tall|deep|wide|fast|heavy|often|soon|late|early|hot|cold|strong|"
    "expensive"
)
_EXPLANATION: dict[Language, re.Pattern[str]] = {
    "en": re.compile(
        rf"^(?:why|how(?! (?:{_MEASURE})\b)|explain|describe|summari[sz]e|tell me (?:about|more|how|why|what))\b|"
        r"^what (?:happened|happens|is happening|was happening|led to|(?:is|was|were|are) the (?:background|story))\b|"
        r"^(?:for what reason|in what way)\b",
        re.IGNORECASE,
    ),
    "id": re.compile(
        r"^(?:mengapa|kenapa|bagaimana|jelaskan|terangkan|ceritakan|uraikan|gambarkan|ringkas)(?:kah)?\b|"
        r"^apa(?:kah)? yang (?:sebenarnya )?(?:terjadi|sedang terjadi|menyebabkan)\b|"
        r"^apa(?:kah)? (?:alasan|sebab)\b|\b(?:mengapa|kenapa|bagaimana)\s*\?*$",
        re.IGNORECASE,
    ),
}
_YES_NO: dict[Language, re.Pattern[str]] = {
    "en": re.compile(
        r"^(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|shall|should|may|might|must)(?:n['’]t)?\s",
        re.IGNORECASE,
    ),
    # "Apakah" mostly asks what ("Apakah nama …"): of 1,280 such questions in IDK-MRC train all but a handful do.
    "id": re.compile(
        r"^(?:(?:(?i:benar|ada|sudah|bisa|boleh|mungkin|harus|perlu|akan|pernah|masih|dapat|mau|betul|jadi)kah|"
        r"(?i:apakah|apa) (?i:ada|sudah|akan|bisa|benar|boleh|masih|pernah|harus|perlu|dapat|mungkin|memang|telah|"
        r"sempat|betul|juga|jadi|tidak))\b|(?i:apakah) [A-Z])"
    ),
}
_DEFINITION = re.compile(r"\bitu\s*\?*$", re.IGNORECASE)


def kind_of(question: str, language: Language) -> Kind:
    """Return what kind of answer ``question`` wants."""
    asked = question.strip()
    while shorter := _POLITE[language].match(asked):
        asked = asked[shorter.end() :]
    if _EXPLANATION[language].search(asked):
        return "explanation"
    if _YES_NO[language].match(asked) and not (language == "id" and _DEFINITION.search(asked)):
        return "yes_no"
    return "fact"
