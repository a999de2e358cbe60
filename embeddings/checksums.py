"""The SHA-256 sums of a model folder in the format of ``sha256sum``; knows files, not what they are for."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from embeddings.errors import ModelError

SUMS_FILE = "SHA256SUMS"

_LINE = re.compile(r"([0-9a-f]{64}) [ *](\S+)")
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


def digest(file: Path) -> str:
    """Return the SHA-256 of ``file``, 64 hex digits.

    Raises:
        ModelError: the file cannot be read.
    """
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror}.") from error


def digests(files: Iterable[Path], folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file by its name below ``folder``."""
    return {file.relative_to(folder).as_posix(): digest(file) for file in files}


def write_sums(folder: Path, files: Iterable[Path]) -> Path:
    """Write the sums of ``files`` into ``folder``, by name; return the file written."""
    sums = folder / SUMS_FILE
    lines = [f"{found}  {name}\n" for name, found in sorted(digests(files, folder).items())]
    sums.write_bytes("".join(lines).encode())
    return sums


def read_sums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 that each file of ``folder`` must have, by name; empty without a file of sums.

    Raises:
        ModelError: the file of sums cannot be read, or a line of it is no sum.
    """
    sums = folder / SUMS_FILE
    if not sums.exists():
        return {}
    try:
        lines = sums.read_bytes().decode("utf-8", "replace").splitlines()
    except OSError as error:
        raise ModelError(f"{sums} cannot be read: {error.strerror}.") from error
    matches = [_LINE.fullmatch(line) for line in lines]
    for number, (line, matched) in enumerate(zip(lines, matches, strict=True), start=1):
        if matched is None:
            raise ModelError(f"{sums} is damaged: line {number} is no SHA-256 and file name: {line[:80]!r}.")
    return {matched[2]: matched[1] for matched in matches if matched}


def describe_damage(folder: Path, sums: dict[str, str]) -> str | None:
    """Return what is wrong with the first file that differs from its sum, in words; None if all agree."""
    for name, expected in sums.items():
        file = folder / name
        found = digest(file) if file.is_file() else "no such file"
        if found == expected:
            continue
        is_pointer = file.is_file() and _starts_with(file, _LFS_POINTER)
        kind = ", the digest of a Git LFS pointer that stands for it" if is_pointer else ""
        return f"the SHA-256 of {file} must be {expected}, got {found}{kind}."
    return None


def _starts_with(file: Path, beginning: bytes) -> bool:
    with file.open("rb") as stream:
        return stream.read(len(beginning)) == beginning
