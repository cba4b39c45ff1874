"""A judge of sentences: valid or not, and why not, in words."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from explorer.latent.automaton import Automaton, State
from explorer.latent.grammar import Grammar
from explorer.latent.reading import Reader

_EXAMPLES = 3
Describe = Callable[[str, Collection[str]], str]


@dataclass(frozen=True, slots=True)
class Expected:
    """One kind of word that may stand where a sentence went wrong.

    Attributes:
        kind: what it is, for people.
        words: all words of the kind, sorted.
    """

    kind: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said of a row of words.

    Attributes:
        words: as they were judged.
        valid: True for a sentence of the language.
        good: words from the first on that some sentence begins with; all of a valid one.
        reason: why it is no sentence, in words; empty for a valid one.
        expected: what may stand at the first bad word, or after the last of an unfinished one.
        rules: names of the rules that write a valid one, from the top down.
    """

    words: tuple[str, ...]
    valid: bool
    good: int
    reason: str = ""
    expected: tuple[Expected, ...] = ()
    rules: tuple[str, ...] = ()


def split_words(text: str) -> tuple[str, ...]:
    """The words of a typed text: small letters, no mark at the end.

    >>> split_words("Is it  a red ball?")
    ('is', 'it', 'a', 'red', 'ball')
    """
    return tuple(text.casefold().strip().rstrip(".?! ").split())


class Judge:
    """Judges sentences of one grammar.

    Args:
        grammar: the grammar.
        describe: what a class of words is, for people, beside all others that may stand there.
    """

    def __init__(self, grammar: Grammar, describe: Describe = lambda name, _: name) -> None:
        self.grammar = grammar
        self._describe = describe
        self._automaton = Automaton(grammar)
        self._vocabulary = frozenset(grammar.vocabulary)

    def judge(self, sentence: str | Sequence[str]) -> Verdict:
        """Whether it is a sentence; if not, the first word after which none goes on, and why.

        Args:
            sentence: a typed text, or words.
        """
        words = split_words(sentence) if isinstance(sentence, str) else tuple(sentence)
        state, good = self._automaton.read(words)
        if good == len(words) and self._automaton.ending(state):
            rules = Reader(self.grammar, words).rules()
            return Verdict(words, True, good, rules=tuple(rule.name for rule in rules))
        expected = self.expected(state)
        if not words:
            reason = f"There is no word. {self._may(expected, 'A sentence may begin with')}"
        elif good == len(words):
            reason = f"The sentence is not finished. {self._may(expected, 'Next may come')}"
        else:
            reason = self._wrong(words, good, state, expected)
        return Verdict(words, False, good, reason, expected)

    def expected(self, state: State) -> tuple[Expected, ...]:
        """The kinds of word that may come next; kinds with the same description are joined."""
        kinds: dict[str, set[str]] = {}
        arcs = self._automaton.arcs(state)
        for terminal in arcs:
            words = kinds.setdefault(self._describe(terminal, arcs), set())
            words.update(self.grammar.words(terminal))
        return tuple(Expected(kind, tuple(sorted(words))) for kind, words in kinds.items())

    def _wrong(
        self, words: Sequence[str], good: int, state: State, expected: Sequence[Expected]
    ) -> str:
        word = words[good]
        place = f"Word {good + 1}, '{word[:40]}',"
        if good == self.grammar.max_words:
            return f"{len(words)} words are too many: a sentence has at most {good}."
        if word not in self._vocabulary:
            near = difflib.get_close_matches(word[:40], self.grammar.vocabulary, 1, 0.75)
            meant = f" Is it '{near[0]}'?" if near else ""
            said = f"{place} is no word of this language.{meant}"
        else:
            said = f"{place} cannot stand here."
        after = " ".join(words[max(0, good - 4) : good])
        lead = f"After '{after}' may come" if after else "A sentence may begin with"
        if not expected:
            return f"{said} After '{after}' the sentence ends."
        more = " The sentence may also end here." if self._automaton.ending(state) else ""
        return f"{said} {self._may(expected, lead)}{more}"

    def _may(self, expected: Sequence[Expected], lead: str) -> str:
        said = []
        for kind in expected:
            if len(kind.words) == 1:
                said.append(f"'{kind.words[0]}'")
                continue
            some = ", ".join(kind.words[:_EXAMPLES])
            said.append(f"{kind.kind} ({some}{', …' if len(kind.words) > _EXAMPLES else ''})")
        return f"{lead} {' or '.join(dict.fromkeys(said))}."
