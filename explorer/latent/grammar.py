"""A context-free grammar as plain data, with exact counts of what it derives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from explorer.core.errors import InvalidParams
from explorer.latent.lengths import Lengths, Row

MAX_WORDS = 20
_REMEDY = "Mend the grammar's text."


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to write a symbol.

    Attributes:
        name: what the rule is called where coverage is measured; several may share one.
        left: the symbol written.
        right: symbols, classes of words, or words; at least one.
        weight: positive; its share among the rules of `left` is the rule's probability.
    """

    name: str
    left: str
    right: Row
    weight: Fraction = Fraction(1)


@dataclass(frozen=True)
class Grammar:
    """Rules and classes of words; a word that stands in a rule is a class of its own.

    A grammar may be recursive, but not on the left, since it is read from the left; what keeps
    it finite is the number of words.

    Args:
        start: the symbol of a whole sentence.
        rules: all rules.
        classes: name to words; a word may belong to several classes.
        min_words: sentences with fewer are none of the language.
        max_words: sentences with more are none of the language.

    Raises:
        InvalidParams: for an empty right side, a class without words, a weight that is not
            positive, a symbol that is its own leftmost one, or one that derives nothing.
    """

    start: str
    rules: tuple[Rule, ...]
    classes: Mapping[str, tuple[str, ...]]
    min_words: int = 1
    max_words: int = MAX_WORDS

    def __post_init__(self) -> None:
        if not 1 <= self.min_words <= self.max_words:
            raise InvalidParams(
                f"No sentence has {self.min_words} to {self.max_words} words.",
                "Let the least be 1 or more, and not above the most.",
            )
        if self.start not in self.by_left:
            raise InvalidParams(f"No rule says how to write '{self.start}'.", _REMEDY)
        self._check_pieces()
        self._check_left_recursion()
        for symbol in self.by_left:
            if not any(self.counts.of((symbol,))):
                limit = f"within {self.max_words} words"
                raise InvalidParams(f"'{symbol}' derives nothing {limit}.", _REMEDY)

    def _check_pieces(self) -> None:
        for rule in self.rules:
            if not rule.right:
                raise InvalidParams(f"The rule '{rule.name}' writes nothing.", _REMEDY)
            if rule.weight <= 0:
                raise InvalidParams(f"The rule '{rule.name}' weighs {rule.weight}.", _REMEDY)
            if rule.left in self.classes:
                raise InvalidParams(f"'{rule.left}' has rules and is a class of words.", _REMEDY)
        for name, words in self.classes.items():
            if not words or len(set(words)) < len(words):
                raise InvalidParams(f"The class '{name}' is empty or repeats a word.", _REMEDY)

    def _check_left_recursion(self) -> None:
        done: set[str] = set()

        def visit(symbol: str, above: tuple[str, ...]) -> None:
            if symbol in above:
                circle = " -> ".join([*above[above.index(symbol) :], symbol])
                raise InvalidParams(
                    f"'{symbol}' begins with itself: {circle}.",
                    "Write the repetition on the right: a list is an item and then a list.",
                )
            if symbol not in done:
                for rule in self.by_left.get(symbol, ()):
                    visit(rule.right[0], (*above, symbol))
                done.add(symbol)

        for symbol in self.by_left:
            visit(symbol, ())

    @cached_property
    def by_left(self) -> dict[str, tuple[Rule, ...]]:
        """The rules of each symbol, in the order given."""
        found: dict[str, list[Rule]] = {}
        for rule in self.rules:
            found.setdefault(rule.left, []).append(rule)
        return {left: tuple(rules) for left, rules in found.items()}

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """All words that some rule can reach, sorted."""
        terminals = {s for rule in self.rules for s in rule.right if s not in self.by_left}
        return tuple(sorted({word for name in terminals for word in self.words(name)}))

    @cached_property
    def rule_names(self) -> tuple[str, ...]:
        """The names of all rules, each once, in the order given."""
        return tuple(dict.fromkeys(rule.name for rule in self.rules))

    def words(self, terminal: str) -> tuple[str, ...]:
        """The words of a class; a word in a rule stands for itself."""
        return self.classes.get(terminal, (terminal,))

    def choices(self, symbol: str) -> list[tuple[Fraction, Row]] | None:
        """The right sides of a symbol with their probabilities; None for a terminal."""
        rules = self.by_left.get(symbol)
        if rules is None:
            return None
        total = sum((rule.weight for rule in rules), Fraction(0))
        return [(rule.weight / total, rule.right) for rule in rules]

    def unweighted(self, symbol: str) -> list[tuple[int, Row]] | None:
        """The right sides of a symbol, each of weight 1; None for a terminal."""
        rules = self.by_left.get(symbol)
        return None if rules is None else [(1, rule.right) for rule in rules]

    @cached_property
    def counts(self) -> Lengths:
        """Derivations of rows of symbols, by number of words."""
        return Lengths(self.unweighted, lambda name: len(self.words(name)), self.max_words)

    @cached_property
    def probabilities(self) -> Lengths:
        """Probabilities of rows of symbols, by number of words; words of a class are equal."""
        return Lengths(self.choices, lambda _: Fraction(1), self.max_words)

    @cached_property
    def derivations(self) -> int:
        """Derivations of whole sentences, exactly.

        As many as there are sentences where no sentence has two readings;
        `Automaton.ambiguous_sentence` can tell.
        """
        return int(sum(self.counts.of((self.start,))[self.min_words :]))
