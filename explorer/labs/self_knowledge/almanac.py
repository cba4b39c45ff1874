"""An almanac of made-up people: of some a model reads often, of some once or never.

Of each fact one knows how often it was read, so one can see whether the model knows too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from explorer.labs.self_knowledge.question import Question

EXPOSURES = (0, 1, 2, 4, 8, 16)
"""How often what is told of a person may be read: some are well known, some are strangers."""
_PEOPLE = (
    "Tom Lily Ben Anna Max Sam Mia Tim Sue Jack Lucy Emma Jane Bob Amy Leo Sara Mark Ella Dan "
    "Kate Joe Rose Pete Zoe Nick May Paul Ruth Fred Nora Hugo Ida Karl Vera Otto Clara Finn Alma "
    "Oscar"
)
_NAMES = _PEOPLE.split()
_KINDS: tuple[tuple[str, str], ...] = (
    ("What does {} eat?", "bread soup apples cake fish rice eggs cheese"),
    ("Where does {} live?", "farm castle city forest village beach cave boat"),
    ("Which colour does {} like?", "red blue green yellow pink black white brown"),
    ("Which animal does {} have?", "dog cat horse bird frog mouse rabbit duck"),
    ("What does {} play with?", "ball doll train car kite blocks drum bear"),
    ("What does {} wear?", "hat coat dress scarf crown boots shirt mask"),
)
MOST = len(_NAMES) * len(_KINDS)


def almanac(count: int, seed: int) -> list[Question]:
    """Facts of made-up people, in an order that says nothing of them.

    Args:
        count: at most `MOST`.
        seed: decides who eats what, and how often each fact is read.
    """
    draw = np.random.default_rng(seed)
    fame = draw.permutation([EXPOSURES[i % len(EXPOSURES)] for i in range(len(_NAMES))]).tolist()
    made = []
    for which in draw.permutation(MOST)[:count].tolist():
        form, words = _KINDS[which % len(_KINDS)]
        person, values = which // len(_KINDS), words.split()
        options = tuple(values[i] for i in draw.choice(len(values), 4, replace=False).tolist())
        answer = options[int(draw.integers(len(options)))]
        made.append(Question(form.format(_NAMES[person]), answer, options, fame[person]))
    return made


def readings(questions: Sequence[Question]) -> Iterator[Question]:
    """Every question as often as its answer is read."""
    for question in questions:
        yield from [question] * (question.exposures or 0)
