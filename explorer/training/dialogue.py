"""Short turns of human dialogues as sentences: read, split into words, cut to a vocabulary."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from explorer.core.errors import InvalidParams
from explorer.latent.language import MOST_TURN_WORDS, dialogue_words
from explorer.training.corpus import clean, is_refused
from explorer.training.sentences import Sentence, split_sentences, write_sentences

LEAST, MOST = 2, MOST_TURN_WORDS
"""Words of a turn, marks included."""

QUESTIONS = "dialogue/guesswhat_human_200.jsonl"
TURNS = (
    "dialogue/sgd_train.jsonl.gz",
    "dialogue/sgd_dev.jsonl.gz",
    "dialogue/taskmaster4.jsonl.gz",
    "dialogue/topicalchat_validtest.jsonl.gz",
)
_KEPT_APART = "test"
"""Splits of a source whose name begins so are never trained on."""


def read_turns(data: Path) -> Iterator[Sentence]:
    """All turns of all dialogues, as words; of long ones the sentences they consist of.

    Raises:
        InvalidParams: if a file is not there or no such file.
    """
    for name in (QUESTIONS, *TURNS):
        for dialogue in _lines(data / name):
            if str(dialogue.get("split", "")).startswith(_KEPT_APART):
                continue
            said = dialogue["qa"] if "qa" in dialogue else dialogue["turns"]
            for turn in said:
                text = clean(turn[0] if "qa" in dialogue else turn[1])
                if not is_refused(text):
                    yield from sentences_of(dialogue_words(text))


def sentences_of(words: Sentence) -> Iterator[Sentence]:
    """A short turn as it is; of a longer one its sentences, by their closing marks.

    >>> list(sentences_of(("yes", ".", *("word",) * 11)))
    [('yes', '.'), ('word', 'word', 'word', 'word', 'word', 'word', 'word', 'word', 'word', \
'word', 'word')]
    """
    if LEAST <= len(words) <= MOST:
        yield words
        return
    piece: list[str] = []
    for number, word in enumerate(words):
        piece.append(word)
        follows = words[number + 1] if number + 1 < len(words) else ""
        if word in ".?!" and follows not in (".", "?", "!"):
            if LEAST <= len(piece) <= MOST:
                yield tuple(piece)
            piece = []
    if LEAST <= len(piece) <= MOST:
        yield tuple(piece)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
        yield from map(json.loads, text.splitlines())
    except (OSError, ValueError) as error:
        raise InvalidParams(f"The dialogues cannot be read: {error}.") from error


def within_vocabulary(
    found: Iterable[Sentence], words: int
) -> tuple[tuple[str, ...], list[Sentence]]:
    """The most frequent words, and the sentences, each once, that hold no other.

    Args:
        found: sentences.
        words: of the vocabulary, at most; words that nothing is left of are dropped.

    Returns:
        Words by frequency, and sentences in the order found.
    """
    distinct = list(dict.fromkeys(found))
    counts = Counter(word for sentence in distinct for word in sentence)
    ranked = sorted(counts, key=lambda word: (-counts[word], word))[:words]
    known = set(ranked)
    kept = [sentence for sentence in distinct if known.issuperset(sentence)]
    used = {word for sentence in kept for word in sentence}
    return tuple(word for word in ranked if word in used), kept


def prepare_dialogue(data: Path, folder: Path, *, words: int = 2000) -> str:
    """Read the dialogues of a data folder and fill a work folder.

    Args:
        data: with a folder `dialogue` as `TURNS` names its files.
        folder: the work folder.
        words: of the vocabulary, at most.

    Returns:
        What was found, in one line.
    """
    vocabulary, kept = within_vocabulary(read_turns(data), words)
    train, held = split_sentences(kept, 0.1)
    known = {word for sentence in train for word in sentence}
    vocabulary = tuple(word for word in vocabulary if word in known)
    held = [sentence for sentence in held if known.issuperset(sentence)]
    write_sentences(folder, vocabulary, train, held)
    return f"{len(train)} sentences of {len(vocabulary)} words; {len(held)} held out"
