"""Bytes to text: UTF-8, UTF-16 and Windows-1252, or a plain reason why it is no text.

Pure functions. A byte that is not UTF-8 is read as Windows-1252, so files that mix the two come out right.
"""

from __future__ import annotations

import codecs
import re

_SIGNATURES = {
    b"%PDF-": "a PDF in spite of its name: save its text as .txt first",
    b"PK\x03\x04": "an archive or office document in spite of its name",
    b"\x89PNG": "an image in spite of its name",
    b"\xff\xd8\xff": "an image in spite of its name",
    b"GIF8": "an image in spite of its name",
    b"{\\rtf": "RTF in spite of its name: save it as plain text first",
}
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_SAMPLE = 65536
#: Text has next to no control characters; a stray one in a hundred is still a damaged text, not a program.
_MOST_CONTROLS = 0.01


class NotTextError(ValueError):
    """The bytes are no text that can be read; the message says what they seem to be."""


def _stray_byte(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252"), error.end


codecs.register_error("tanya-windows-1252", _stray_byte)


def utf16_name(head: bytes) -> str | None:
    """Tell UTF-16 by its byte order mark, or by the zero bytes that Latin letters have in it."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    sample = head[:_SAMPLE]
    pairs = len(sample) // 2
    if pairs < 4:
        return None
    even, odd = sample[: 2 * pairs : 2].count(0), sample[1 : 2 * pairs : 2].count(0)
    if odd > 0.6 * pairs and even < 0.05 * pairs:
        return "utf-16-le"
    return "utf-16-be" if even > 0.6 * pairs and odd < 0.05 * pairs else None


def decode(data: bytes) -> str:
    """Decode a file or a line, without its byte order mark.

    Raises:
        NotTextError: it is binary, or in no encoding that is read here.
    """
    for signature, reason in _SIGNATURES.items():
        if data.startswith(signature):
            raise NotTextError(reason)
    wide = utf16_name(data)
    try:
        text = data.decode(wide) if wide else data.decode("utf-8-sig", "tanya-windows-1252")
    except UnicodeDecodeError as error:
        raise NotTextError("neither UTF-8, UTF-16 nor Windows-1252 text") from error
    if "\x00" in text:
        raise NotTextError("binary: it holds NUL characters")
    if len(_CONTROLS.findall(text[:_SAMPLE])) > _MOST_CONTROLS * len(text[:_SAMPLE]):
        raise NotTextError("binary: it is full of control characters")
    return text
