"""Short turns of human dialogues as sentences: read, split into words, cut to a vocabulary."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
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
QUESTION_WEIGHT = 20
"""How often a question of the guessing game is read for each turn of the others: it is a game of
two hundred rounds beside twenty thousand dialogues, and would be lost among them."""

_KEPT_APART = "test"
"""Splits of a source whose name begins so are never trained on."""


def read_turns(data: Path, names: Sequence[str]) -> Iterator[Sentence]:
    """All turns of all dialogues, as words; of long ones the sentences they consist of.

    Args:
        data: the data folder.
        names: of files in it.

    Raises:
        InvalidParams: if a file is not there or no such file.
    """
    for name in names:
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
    questions: Sequence[Sentence], turns: Iterable[Sentence], words: int
) -> tuple[tuple[str, ...], list[Sentence]]:
    """The words of all questions, the most frequent others, and the sentences of these words.

    Args:
        questions: sentences.
        turns: sentences.
        words: of the vocabulary, at most; words that nothing is left of are dropped.

    Returns:
        Words by frequency, and sentences, each once, in the order found.
    """
    asked = {word for sentence in questions for word in sentence}
    distinct = list(dict.fromkeys((*questions, *turns)))
    counts = Counter(word for sentence in distinct for word in sentence)
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    known = asked | set([word for word in ranked if word not in asked][: words - len(asked)])
    ranked = [word for word in ranked if word in known]
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
    questions = set(read_turns(data, [QUESTIONS]))
    asked = sorted(questions)
    vocabulary, kept = within_vocabulary(asked, read_turns(data, TURNS), words)
    train, held = split_sentences(kept, 0.1)
    known = {word for sentence in train for word in sentence}
    vocabulary = tuple(word for word in vocabulary if word in known)
    held = [sentence for sentence in held if known.issuperset(sentence)]
    often = [sentence for sentence in train if sentence in questions]
    write_sentences(folder, vocabulary, train + often * (QUESTION_WEIGHT - 1), held)
    return (
        f"{len(train)} sentences ({len(often)} of them questions of the game) of "
        f"{len(vocabulary)} words; {len(held)} held out"
    )
