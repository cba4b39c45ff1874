"""A grammar read word by word: what may come next, and how many sentences lie behind it."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from explorer.latent.grammar import Grammar
from explorer.latent.law import Law, law_of
from explorer.latent.lengths import Number, Row


class Weighting(StrEnum):
    """What makes one sentence likelier than another."""

    SENTENCES = "sentences"
    """All sentences are equally likely (all readings, where one has several)."""
    RULES = "rules"
    """Rules by their weights, words of a class alike; lengths out of bounds left out."""
    WORDS = "words"
    """All words that may come next are equally likely, and so is the end: the published one."""


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """All that matters of the words read: what may still be derived, with which weights.

    Prefixes after which the same follows are in the same state, however they differ: an
    automaton has one object a state, which is why states are compared as objects.

    Attributes:
        stacks: rows of symbols that may follow, with the weight of what led there.
        used: words read.
    """

    stacks: tuple[tuple[Row, Number], ...]
    used: int


class Automaton:
    """The deterministic reader of a grammar, built as far as it is walked.

    Threads may share one: what two of them build at once is built alike.

    Args:
        grammar: the grammar.
        weighting: of the sentences.

    Attributes:
        ids: token ids: 0 is the end of a sentence ("" here), then the words in their order.
        start: the state before the first word.
    """

    def __init__(self, grammar: Grammar, weighting: Weighting = Weighting.SENTENCES) -> None:
        self.grammar, self.weighting = grammar, weighting
        self._counting = weighting is not Weighting.RULES
        self._lengths = grammar.counts if self._counting else grammar.probabilities
        self._openings: dict[str, dict[tuple[str, Row], Number]] = {}
        self._arcs: dict[State, dict[str, dict[Row, Number]]] = {}
        self._next: dict[tuple[State, tuple[str, ...]], State] = {}
        self._ahead: dict[tuple[Row, int], Number] = {}
        self._states: dict[tuple[tuple[tuple[Row, Number], ...], int], State] = {}
        self._laws: dict[State, Law] = {}
        self.ids = {word: place for place, word in enumerate(("", *grammar.vocabulary))}
        self._classes_of: dict[str, list[str]] = defaultdict(list)
        symbols = dict.fromkeys(s for rule in grammar.rules for s in rule.right)
        for terminal in symbols:
            if terminal not in grammar.by_left:
                for word in grammar.words(terminal):
                    self._classes_of[word].append(terminal)
        self.start = self._state({(grammar.start,): 1}, 0)

    def after(self, state: State, word: str) -> State | None:
        """The state one word further; None where no sentence goes on so."""
        arcs = self.arcs(state)
        met = tuple(name for name in self._classes_of.get(word, ()) if name in arcs)
        if not met:
            return None
        known = self._next.get((state, met))
        if known is None:
            merged: dict[Row, Number] = defaultdict(int)
            for name in met:
                for row, weight in arcs[name].items():
                    merged[row] += weight * self._share(name)
            known = self._next[state, met] = self._state(merged, state.used + 1)
        return known

    def read(self, words: Sequence[str]) -> tuple[State, int]:
        """The state after the longest readable beginning, and its number of words."""
        state = self.start
        for place, word in enumerate(words):
            following = self.after(state, word)
            if following is None:
                return state, place
            state = following
        return state, len(words)

    def arcs(self, state: State) -> dict[str, dict[Row, Number]]:
        """Terminals that may come next; for each the rows that follow it, with weights.

        Only rows that can still end within the bounds on the number of words.
        """
        known = self._arcs.get(state)
        if known is None:
            found: dict[str, dict[Row, Number]] = defaultdict(lambda: defaultdict(int))
            for stack, weight in state.stacks:
                if not stack:
                    continue
                for (terminal, rest), share in self._opening(stack[0]).items():
                    row = rest + stack[1:]
                    if self.ahead(row, state.used + 1):
                        found[terminal][row] += weight * share
            known = self._arcs[state] = {name: dict(rows) for name, rows in found.items()}
        return known

    def law(self, state: State) -> Law:
        """The law of the next token as whole numbers, exactly, in the order of the ids.

        Where all sentences are alike, frequencies are numbers of sentences.
        """
        known = self._laws.get(state)
        if known is None:
            masses = self.masses(state)
            if self.weighting is Weighting.WORDS:
                masses = dict.fromkeys(masses, 1)
            scale = math.lcm(*(Fraction(mass).denominator for mass in masses.values()))
            numbers = {self.ids[word]: int(mass * scale) for word, mass in masses.items()}
            shared = math.gcd(*numbers.values()) if not self._counting else 1
            ordered = sorted(numbers.items())
            known = self._laws[state] = law_of({i: number // shared for i, number in ordered})
        return known

    def masses(self, state: State) -> dict[str, Number]:
        """The weight of all sentences through each word that may come next; "" is the end.

        Numbers of sentences, or by the rules' weights probabilities up to a common factor.
        """
        found: dict[str, Number] = defaultdict(int)
        if ending := self.ending(state):
            found[""] = ending
        for terminal, rows in self.arcs(state).items():
            mass = sum((w * self.ahead(r, state.used + 1) for r, w in rows.items()), Fraction(0))
            each = mass * self._share(terminal)
            for word in self.grammar.words(terminal):
                found[word] += int(each) if self._counting else each
        return dict(found)

    def ending(self, state: State) -> Number:
        """The weight of the sentence that ends here; 0 where none does."""
        whole = sum((w for stack, w in state.stacks if not stack), Fraction(0))
        return int(whole) if self._counting else whole

    def ahead(self, row: Row, used: int) -> Number:
        """The weight of all that a row derives within the bounds, after `used` words."""
        known = self._ahead.get((row, used))
        if known is None:
            grammar = self.grammar
            lengths = self._lengths.of(row)
            first = max(0, grammar.min_words - used)
            numbers = lengths[first : max(first, grammar.max_words - used + 1)]
            known = self._ahead[row, used] = sum(numbers)
        return known

    def ambiguous_sentence(self) -> list[str] | None:
        """A shortest sentence with two readings; None if there is none.

        Walks every state, which only sentences that are all alike keep few.
        """
        seen, waiting = {self.start}, deque([(self.start, list[str]())])
        while waiting:
            state, words = waiting.popleft()
            if self.ending(state) > 1:
                return words
            met = {}
            for terminal in self.arcs(state):
                for word in self.grammar.words(terminal):
                    following = self.after(state, word)
                    assert following is not None
                    met[following] = word
            for following, word in met.items():
                if following not in seen:
                    seen.add(following)
                    waiting.append((following, [*words, word]))
        return None

    def _share(self, terminal: str) -> Number:
        return 1 if self._counting else Fraction(1, len(self.grammar.words(terminal)))

    def _state(self, rows: dict[Row, Number], used: int) -> State:
        stacks = sorted(rows.items())
        if not self._counting:
            # One factor for all changes no law, and keeps prefixes that mean the same together.
            total = sum((w * self.ahead(row, used) for row, w in stacks), Fraction(0))
            stacks = [(row, Fraction(weight) / total) for row, weight in stacks]
        key = (tuple(stacks), used)
        return self._states.setdefault(key, State(*key))

    def _opening(self, symbol: str) -> dict[tuple[str, Row], Number]:
        """First terminals of a symbol, what follows each of them, and the weight of the rules."""
        known = self._openings.get(symbol)
        if known is None:
            found: dict[tuple[str, Row], Number] = defaultdict(int)
            grammar = self.grammar
            choices = grammar.unweighted(symbol) if self._counting else grammar.choices(symbol)
            if choices is None:
                found[symbol, ()] = 1
            else:
                for weight, right in choices:
                    for (terminal, rest), share in self._opening(right[0]).items():
                        found[terminal, rest + right[1:]] += weight * share
            known = self._openings[symbol] = dict(found)
        return known
