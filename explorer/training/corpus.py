"""Documents from text files: read, cleaned, split, kept apart from what is measured on."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from explorer.core.errors import InvalidParams
from explorer.training.config import TextSource
from explorer.training.stories import CUT, ENDED

SHINGLE = 13
"""Words in a row that make a paragraph of the training text a copy of a held-out one."""

MIN_DOCUMENT = 80
"""Characters below which a document is a heading, a page number or a scrap."""

_PLAIN = str.maketrans(
    {"“": '"', "”": '"', "‘": "'", "’": "'", "—": "--", "–": "-", "…": "...", "\u00a0": " ",
     "\t": " ", "\r": None, "_": None, "\ufeff": None}
)  # fmt: skip
_WORD = re.compile(r"[a-z']+")

# Slurs that stand in old children's books, as digests so that they do not stand here too.
_REFUSED = frozenset(
    {
        "120f6e5b4ea32f65", "5b3ae48be122f7ed", "bbd1ebc6775b3e8a", "08a841e996781e9e",
        "341d56384afc0f47", "6122fdf4ae1474fb", "448b303c89bef071", "be00f1af522eaa99",
        "1c4bfd100aa92982", "c709d1a287817777", "9d57436661e1dce7", "9ee4d2748732a9bb",
        "6939937b0ac62334", "358e01df75c781bd", "ad6cacf3af98d07b", "eda887476f1dffc9",
        "a7bf072c97a0779f", "11ee63a73ffec0f0", "c3de533e9b7fe63b", "268651b3ece98010",
        "469c0fdb6020d4bf", "0058beda64c0e33e", "9e212369f456f75a", "1cf7936a889dadc3",
        "77ccd22350728f06", "27a62b68179c96f5", "63bd9333b1a0b11d", "cc02032349c833ac",
        "98b52c4b6b7d1f48", "c1b4ed05397df5ee", "eea2991640d1a5ca",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Document:
    """One text.

    Attributes:
        text: cleaned; paragraphs have one line break between them.
        ended: it came to its end, so an end-of-text token belongs after it.
    """

    text: str
    ended: bool = True


def clean(text: str) -> str:
    r"""Straight quotes, plain dashes, no italics marks, one line break between paragraphs.

    >>> clean("“It’s _so_ cold,” said\r\n\r\n\r\nthe Snow Man.  ")
    '"It\'s so cold," said\nthe Snow Man.'
    """
    lines = (" ".join(line.split()) for line in text.translate(_PLAIN).splitlines())
    return "\n".join(line for line in lines if line)


def digest_of(word: str) -> str:
    """The form in which refused words are listed."""
    return hashlib.sha256(word.encode()).hexdigest()[:16]


def is_refused(line: str) -> bool:
    """True for a line that holds a refused word."""
    return any(digest_of(word) in _REFUSED for word in set(_WORD.findall(line.lower())))


def read_documents(source: TextSource, folder: Path) -> list[Document]:
    """All documents of a source, cleaned; lines with a refused word are dropped.

    Raises:
        InvalidParams: if the file is not there or has another layout.
    """
    path = folder / source.path
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
        parts = _LAYOUTS[source.layout](raw.decode("utf-8"))
    except (OSError, ValueError, KeyError) as error:
        raise InvalidParams(f"The text '{source.name}' cannot be read: {error}.") from error
    documents = []
    for text, ended in parts:
        kept = "\n".join(line for line in clean(text).split("\n") if not is_refused(line))
        if len(kept) >= MIN_DOCUMENT:
            documents.append(Document(kept, ended))
    return documents


def _marks(text: str) -> Iterator[tuple[str, bool]]:
    """Documents closed by ENDED or CUT; lines "#batch N" are notes of the sampler."""
    text = re.sub(r"^#batch \d+\n", "", text, flags=re.MULTILINE)
    parts = re.split(f"({re.escape(ENDED)}|{re.escape(CUT)})", text)
    marks = [*parts[1::2], ENDED]
    for body, mark in zip(parts[::2], marks, strict=False):
        yield body, mark == ENDED


def _json(text: str) -> Iterator[tuple[str, bool]]:
    for item in json.loads(text):
        yield (item if isinstance(item, str) else item["text"]), True


def _runs(text: str) -> Iterator[tuple[str, bool]]:
    """A line right after a line, with no blank one between, begins another document."""
    document: list[str] = []
    blank = True
    for line in text.splitlines():
        if line.strip() and not blank and document:
            yield "\n".join(document), True
            document = []
        if line.strip():
            document.append(line)
        blank = not line.strip()
    yield "\n".join(document), True


_LAYOUTS = {"marks": _marks, "json": _json, "runs": _runs}


def split(documents: Sequence[Document], held_out: int) -> tuple[list[Document], list[Document]]:
    """(training, held out) by the digest of the text, so that order and additions do not matter."""
    if not held_out:
        return list(documents), []
    parts: tuple[list[Document], list[Document]] = ([], [])
    for document in documents:
        number = int.from_bytes(hashlib.sha256(document.text.encode()).digest()[:8], "big")
        parts[number % held_out == 0].append(document)
    return parts


def shingles(text: str) -> Iterator[int]:
    """Hashes of all runs of `SHINGLE` words, letters only."""
    words = _WORD.findall(text.lower())
    for i in range(len(words) - SHINGLE + 1):
        yield hash(tuple(words[i : i + SHINGLE]))


def without_copies(
    documents: Iterable[Document], held_out: Iterable[Document]
) -> tuple[list[Document], int]:
    """Training documents without the paragraphs that also stand in a held-out document.

    The same tale stands in several collections: without this the model is asked what it has
    read. Returns the documents and the number of paragraphs dropped.
    """
    known = {shingle for document in held_out for shingle in shingles(document.text)}
    kept, dropped = [], 0
    for document in documents:
        paragraphs = document.text.split("\n")
        fresh = [p for p in paragraphs if known.isdisjoint(shingles(p))]
        dropped += len(paragraphs) - len(fresh)
        if fresh:
            kept.append(Document("\n".join(fresh), document.ended))
    return kept, dropped
