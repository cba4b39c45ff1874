"""Grammars as text: one rule a line, with features that must agree."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from explorer.core.errors import InvalidParams
from explorer.latent.grammar import MAX_WORDS, Grammar, Rule

_HEAD = re.compile(r"\s*(\S+)\s+(\d+)\s*")
_FEATURE = re.compile(r"\[([^\]]*)\]")


def grammar_of(
    text: str,
    classes: Mapping[str, tuple[str, ...]],
    features: Mapping[str, Sequence[str]],
    bounds: tuple[int, int] = (1, MAX_WORDS),
) -> Grammar:
    """A grammar from lines `name weight: left -> right right …`.

    Symbols and classes are followed by features in brackets, if only by `[]`; what has none is
    a word. `np[N]` stands for one symbol a value of N, the same everywhere in a line.
    What a line's weight says is shared among its forms by how much each derives, so that a
    word does not gain by beginning with a vowel. The first line's left side is the start.

    Args:
        text: the rules; empty lines and lines that begin with # are left out.
        classes: name to words; a name without words is left out, with all forms that need it.
        features: what each letter stands for.
        bounds: the least and the most words of a sentence.

    Raises:
        InvalidParams: naming the line that cannot be read, or what the grammar lacks.

    >>> text = "s 1: s[] -> a[N] b[N]"
    >>> classes = {"a[1]": ("this",), "a[2]": ("these",), "b[1]": ("box",), "b[2]": ("boxes",)}
    >>> grammar_of(text, classes, {"N": "12"}).derivations
    2
    """
    forms: list[tuple[Rule, int]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            forms += [(rule, number) for rule in _forms(line, number, features)]
    start = forms[0][0].left if forms else ""
    filled = {name: words for name, words in classes.items() if words}
    lefts = {rule.left for rule, _ in forms}
    known = lefts | set(filled)
    usable = [f for f in forms if all("[" not in s or s in known for s in f[0].right)]
    flat = Grammar(start, tuple(rule for rule, _ in usable), filled, *bounds)
    return Grammar(start, tuple(_shared(usable, flat)), filled, *bounds)


def _forms(line: str, number: int, features: Mapping[str, Sequence[str]]) -> Iterator[Rule]:
    head, colon, body = line.partition(":")
    left, arrow, right = body.partition("->")
    named = _HEAD.fullmatch(head)
    if not (named and colon and arrow and "[" in left and right.strip()):
        raise InvalidParams(
            f"Line {number} of the grammar is no rule: '{line.strip()}'.",
            "Write 'name weight: left[] -> right', the weight a whole number.",
        )
    letters = sorted(
        {f for group in _FEATURE.findall(body) for f in group.split(",")} & {*features}
    )
    for values in itertools.product(*(features[letter] for letter in letters)):
        chosen = dict(zip(letters, values, strict=True))
        symbol, said = _filled(left, chosen).strip(), _filled(right, chosen).split()
        yield Rule(named[1], symbol, tuple(said), Fraction(named[2]))


def _filled(text: str, chosen: Mapping[str, str]) -> str:
    def one(group: re.Match[str]) -> str:
        return "[" + ",".join(chosen.get(feature, feature) for feature in group[1].split(",")) + "]"

    return _FEATURE.sub(one, text)


def _shared(forms: Sequence[tuple[Rule, int]], flat: Grammar) -> Iterator[Rule]:
    sizes = [int(sum(flat.counts.of(rule.right))) for rule, _ in forms]
    totals: dict[tuple[str, int], int] = {}
    for (rule, line), size in zip(forms, sizes, strict=True):
        totals[rule.left, line] = totals.get((rule.left, line), 0) + size
    for (rule, line), size in zip(forms, sizes, strict=True):
        weight = rule.weight * Fraction(size, totals[rule.left, line])
        if weight:
            yield Rule(rule.name, rule.left, rule.right, weight)
