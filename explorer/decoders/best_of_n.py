"""Best of N: several samples, and a rule that says which of them to keep."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from explorer.core.decoder import (
    Decoder,
    Idle,
    Leaf,
    Move,
    Processor,
    StageInfo,
    StepView,
    Verdict,
    sampling_law,
)
from explorer.core.deferred import torch
from explorer.core.detokenize import text_of
from explorer.core.distribution import inverse_cdf
from explorer.core.handle import Tokenizer
from explorer.core.noise import derived
from explorer.core.params import Params

Rule = Literal["log_probability", "mean_log_probability", "self_certainty", "borda", "mbr"]


def token_f1(a: Sequence[int], b: Sequence[int]) -> float:
    """F1 of two bags of tokens: 2 * common / (len(a) + len(b)); 1 for two empty ones.

    >>> token_f1([1, 2, 2], [2, 2, 3])
    0.6666666666666666
    """
    common = sum((Counter(a) & Counter(b)).values())
    return 2 * common / (len(a) + len(b)) if a or b else 1.0


def expected_f1(rows: Sequence[Sequence[int]]) -> list[float]:
    """Mean token F1 of each row with the others: its utility if any of them were the truth."""
    if len(rows) < 2:
        return [1.0] * len(rows)
    return [
        sum(token_f1(a, b) for j, b in enumerate(rows) if j != i) / (len(rows) - 1)
        for i, a in enumerate(rows)
    ]


def borda_votes(
    answers: Sequence[str | None], certainties: Sequence[float], power: float
) -> dict[str, float]:
    """Votes of each answer: rows ranked by certainty give (N - rank + 1) ** power.

    A row without an answer keeps its rank and casts no vote.

    Source: Kang et al., "Scalable Best-of-N Selection for Large Language Models via
        Self-Certainty", arXiv:2502.18581.
    """
    order = sorted(range(len(answers)), key=lambda i: -certainties[i])
    votes: dict[str, float] = {}
    for rank, i in enumerate(order):
        answer = answers[i]
        if answer is not None:
            votes[answer] = votes.get(answer, 0.0) + float(len(answers) - rank) ** power
    return votes


def answer_of(text: str) -> str | None:
    """What a text answers: its last number, or else the whole of it; None if it is empty.

    >>> answer_of("so 3 + 4 = 7."), answer_of(" blue "), answer_of(" ")
    ('7', 'blue', None)
    """
    numbers = re.findall(r"-?\d+(?:\.\d+)?", text.replace(",", ""))
    return numbers[-1] if numbers else text.strip() or None


@dataclass(slots=True)
class _Sample:
    """Sums over the tokens of one row: log p (nats) and self-certainty (nats)."""

    log_p: float = 0.0
    certainty: float = 0.0
    tokens: int = 0


class BestOfN(Decoder):
    """Draws N rows and keeps the one a rule finds best.

    All rules read the model's own law p, at temperature 1 and uncut, whatever the processors
    do to the draws. `self_certainty` is the mean of KL(uniform || p); `borda` ranks by it and
    lets answers vote; `mbr` is minimum Bayes risk with token F1 as the gain.

    Source: Stiennon et al., arXiv:2009.01325 (best of n); Kang et al., arXiv:2502.18581
        (self-certainty, Borda); Kumar and Byrne, "Minimum Bayes-Risk Decoding", 2004.
    Oracle: the authors' self-certainty and votes (golden numbers, tests/golden/); token F1 by
        hand (tests/unit/decoders/test_choosers.py).
    """

    def __init__(
        self, n: int, rule: Rule, power: float, processors: Sequence[Processor] = ()
    ) -> None:
        self.width = n
        self._rule, self._power = rule, power
        self._processors = tuple(processors)
        self._living: list[_Sample] = []
        self._at: dict[tuple[int, int], _Sample] = {}  # any row may turn out to be the last
        self._tokenizer: Tokenizer | None = None

    def advance(self, view: StepView) -> Move:
        """Choose."""
        self._tokenizer = view.tokenizer
        law = sampling_law(self._processors, view)
        step = len(view.histories[0]) - view.prompt_length
        if not self._at:  # the first call; a fork begins behind step 0
            self._living = [_Sample() for _ in range(self.width)]
            parents = [0] * self.width
        else:
            parents = list(range(len(self._living)))
        base = view.uniforms[0]
        tokens = [
            inverse_cdf(law[parent], derived(base, f"sample {i}"))
            for i, parent in enumerate(parents)
        ]
        self._count(view, parents, tokens)
        scores = tuple(self._running(sample) for sample in self._living)
        going = [i for i, token_id in enumerate(tokens) if token_id not in view.eos_ids]
        self._at.update({(step, i): sample for i, sample in enumerate(self._living)})
        self._living = [self._living[i] for i in going]
        return Move(tuple(parents), tuple(tokens), law[parents], scores)

    def _count(self, view: StepView, parents: Sequence[int], tokens: Sequence[int]) -> None:
        laws = view.logprobs[list(parents)]
        own = laws[torch.arange(len(tokens)), list(tokens)].tolist()
        floor = laws.clamp_min(-1e4)  # tokens the model itself rules out count as e^-10000
        certain = (-floor.cpu().double().mean(dim=-1) - math.log(laws.shape[-1])).tolist()
        for i, sample in enumerate(self._living):
            self._living[i] = _Sample(
                sample.log_p + own[i], sample.certainty + certain[i], sample.tokens + 1
            )

    def _running(self, sample: _Sample) -> float:
        """The score while rows grow: certainty or mean log p, what the rule is about."""
        if self._rule in ("self_certainty", "borda"):
            return sample.certainty / sample.tokens
        if self._rule == "log_probability":
            return sample.log_p
        return sample.log_p / sample.tokens

    def conclude(self, leaves: Sequence[Leaf]) -> Sequence[Verdict]:
        """Compare the rows; every verdict says all five numbers."""
        samples = [self._at[leaf.place] for leaf in leaves]
        certainties = [sample.certainty / sample.tokens for sample in samples]
        gains = expected_f1([leaf.token_ids for leaf in leaves])
        answers = [self._answer(leaf) for leaf in leaves]
        votes = borda_votes(answers, certainties, self._power)
        verdicts = []
        for sample, certainty, gain, answer in zip(
            samples, certainties, gains, answers, strict=True
        ):
            numbers: Mapping[str, float] = {
                "log_probability": sample.log_p,
                "mean_log_probability": sample.log_p / sample.tokens,
                "self_certainty": certainty,
                "borda": votes.get(answer, 0.0) if answer is not None else 0.0,
                "mbr": gain,
            }
            # Rows that say the winning answer tie in votes: the most certain of them stands.
            tie = 1e-9 * certainty if self._rule == "borda" else 0.0
            notes = {name: round(value, 6) for name, value in numbers.items()}
            verdicts.append(Verdict(numbers[self._rule] + tie, notes))
        return verdicts

    def _answer(self, leaf: Leaf) -> str | None:
        if self._tokenizer is None:
            return " ".join(map(str, leaf.token_ids)) or None
        return answer_of(text_of(self._tokenizer, leaf.token_ids))


class BestOfNParams(Params):
    """Parameters of `best_of_n`."""

    n: int = Field(
        default=4,
        ge=1,
        le=64,
        description="How many rows are drawn.",
        json_schema_extra={"slider": [1, 16, 1]},
    )
    rule: Rule = Field(default="self_certainty", description="What makes a row the best.")
    power: float = Field(
        default=0.5,
        ge=0,
        le=100,
        description="Of the Borda votes: 0 is a majority vote, large trusts the most certain row.",
        json_schema_extra={"slider": [0, 3, 0.1]},
    )


def build(params: BestOfNParams, processors: Sequence[Processor]) -> BestOfN:
    """The decoder of one lane."""
    return BestOfN(params.n, params.rule, params.power, processors)


INFO = StageInfo(
    name="best_of_n",
    title="best of N",
    family="selection",
    kind="chooser",
    summary="Draws N texts and keeps the one that a rule finds best, and says why.",
    look_for="The table of rows: the likeliest, the most certain and the most typical (mbr) are "
    "seldom the same.",
    source="Stiennon et al., arXiv:2009.01325; Kang et al., Self-Certainty, arXiv:2502.18581; "
    "Kumar and Byrne, Minimum Bayes-Risk Decoding, 2004",
    formula=r"\arg\max_{i \le n} \, r(x^{(i)}), \quad x^{(i)} \sim p, "
    r"\quad \text{for example } r(x) = \frac{1}{|x|} \sum_t \text{KL}(U \,\|\, p_t)",
    params=BestOfNParams,
    build=build,
    draws=True,
    idle=(
        Idle(("rule", "power"), "n", "one text has no other to be compared with.", when=(1,)),
        Idle(("power",), "rule", "only rule=borda counts votes.", unless=("borda",)),
    ),
)
