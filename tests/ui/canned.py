"""Canned runs on the wire: what the page shows, without a model.

The numbers follow no model, but they hang together: alternatives sum to at most one, the token
taken stands under p and q, cut tokens have no log q, a loop repeats the very same tokens.
"""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

VOCABULARY = (
    " the", " a", " old", " keeper", " door", " and", " light", " sea", " he", " was", ".", ",",
    " wind", " of", " in", " to", " opened", " stood", " dark", " stairs", " lamp", " his",
    " hand", " it", " had", " been", " years", "\n", " I", " said", " never", " know", " water",
    " slow", "ly", " night", " storm", " nobody", " letter", " boat", " rope", " salt", " cold",
)  # fmt: skip
HOSTILE = (
    " <img src=x onerror=\"document.body.dataset.pwned='1'\">",
    " ${document.body.dataset.pwned='1'}",
    " {{constructor.constructor('document.body.dataset.pwned=1')()}}",
    " \\u003cb\\u003e \\\\ `tick`",
    "</script><script>document.body.dataset.pwned='1'</script>",
    "  ",
    "\t\t",
    "\n\n",
    "⟨E4⟩",
    " 漢字かな",
    " 👩‍🚀🌊",
    " مرحبا",
    "",
    " trailing ",
    "<|im_end|>",
)


@dataclass(frozen=True)
class Canned:
    """A run to be written.

    Attributes:
        specs: one lane each.
        tokens: tokens a lane.
        pieces: what the tokens are drawn from.
        loop_lane: lane that falls into a loop, or None.
        alternatives: alternatives a token.
    """

    specs: tuple[str, ...] = ("greedy", "nucleus:p=0.95")
    tokens: int = 40
    pieces: tuple[str, ...] = VOCABULARY
    loop_lane: int | None = 0
    alternatives: int = 10
    seed: int = 7
    prompt: str = "The old lighthouse keeper opened the door and"
    run: str = "canned"


def line(**fields: object) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")) + "\n"


def title_of(spec: str) -> str:
    return " + ".join(
        stage.replace(":", " ").replace(",", " ").replace("_", " ") for stage in spec.split("+")
    )


def header(canned: Canned) -> str:
    lanes = [
        {
            "spec": spec,
            "title": title_of(spec),
            "paper": "Holtzman et al., The Curious Case of Neural Text Degeneration, 1904.09751"
            if "nucleus" in spec
            else "",
            "muted": ["temperature is muted by greedy."]
            if "temperature" in spec and "greedy" in spec
            else [],
        }
        for spec in canned.specs
    ]
    return line(
        run=canned.run,
        schema="explorer.wire/1",
        model={
            "id": "scripted",
            "dtype": "float32",
            "device": "cpu",
            "source": "a script",
            "licence": "apache-2.0",
        },
        prompt={"text": canned.prompt, "template": "raw", "tokens": 9, "pieces": []},
        seed=str(canned.seed),
        coupled=False,
        k=canned.alternatives,
        max_new_tokens=canned.tokens,
        lanes=lanes,
    )


def law(rng: random.Random, size: int, peak: float) -> list[float]:
    weights = [peak**-rank * (0.4 + rng.random()) for rank in range(size)]
    weights.sort(reverse=True)
    total = sum(weights) * (1.02 + 0.6 * rng.random())
    return [weight / total for weight in weights]


def token_line(rng: random.Random, canned: Canned, lane: int, index: int, piece: str) -> str:
    peak = rng.choice((1.15, 1.4, 2.2, 6.0, 20.0))
    probabilities = law(rng, canned.alternatives, peak)
    kept = rng.randint(1, canned.alternatives) if lane else canned.alternatives
    mass = sum(probabilities[:kept])
    ids = rng.sample(range(40_000), canned.alternatives)
    place = min(range(kept), key=lambda i: (rng.random() + 0.3) * (i + 1))
    pieces = [rng.choice(canned.pieces) for _ in ids]
    pieces[place] = piece
    rows = [
        [
            ids[i],
            pieces[i],
            round(math.log(p), 4),
            round(math.log(p / mass), 4) if i < kept else None,
        ]
        for i, p in enumerate(probabilities)
    ]
    chosen = probabilities[place]
    entropy = -sum(p * math.log(p) for p in probabilities) * rng.uniform(1.0, 1.5)
    fields: dict[str, object] = {
        "l": lane,
        "i": index,
        "t": ids[place],
        "x": piece,
        "s": round(-math.log(chosen), 4),
        "h": round(entropy, 4),
        "v": round(entropy * 0.8, 4),
        "r": place if rng.random() < 0.9 else rng.choice((14, 160, 2300)),
        "qs": round(-math.log(chosen / mass), 4),
        "qh": round(entropy * 0.6, 4),
        "n": kept if kept < canned.alternatives else rng.choice((12, 90, 800, 49_152)),
        "a": rows,
    }
    if piece.startswith("⟨"):
        fields["b"] = 1
    if piece.startswith("<|"):
        fields["z"] = 1
    if "mirostat" in canned.specs[lane]:
        fields["o"] = {"mu": round(5 + rng.random(), 4), "target": 5.0}
    return line(**fields)


def metrics_line(lane: int, canned: Canned, loop: Sequence[float] | None) -> str:
    rng = random.Random(lane)
    surprisal = 0.8 + 2 * rng.random()
    return line(
        l=lane,
        metrics={
            "tokens": canned.tokens,
            "stop_reason": "max_new_tokens",
            "mean_entropy": 0.7 + 2 * rng.random(),
            "mean_surprisal": surprisal,
            "perplexity": math.exp(surprisal),
            "rep_2": rng.random() * 0.3,
            "rep_3": rng.random() * 0.2,
            "rep_4": rng.random() * 0.1,
            "diversity": 0.4 + rng.random() * 0.5,
            "distinct_2": 0.7 + rng.random() * 0.3,
            "loop_onset": loop[0] if loop else None,
            "loop_period": loop[1] if loop else None,
            "loop_copies": loop[2] if loop else None,
            "tokens_per_s": 12.0 + lane,
        },
    )


def lane_pieces(rng: random.Random, canned: Canned, lane: int) -> list[str]:
    """The pieces of a lane; the looping one repeats its last nine from two fifths on."""
    if canned.pieces is HOSTILE:
        return [canned.pieces[i % len(canned.pieces)] for i in range(canned.tokens)]
    pieces = [rng.choice(canned.pieces) for _ in range(canned.tokens)]
    if lane == canned.loop_lane:
        onset = canned.tokens * 2 // 5
        unit = itertools.cycle(pieces[onset : onset + 9])
        pieces[onset:] = itertools.islice(unit, canned.tokens - onset)
    return pieces


def columns(canned: Canned) -> Iterator[str]:
    """The run a column at a time: header, then one token of every lane, then the ends."""
    yield header(canned)
    rngs = [random.Random(f"{canned.seed} {lane}") for lane in range(len(canned.specs))]
    texts = [lane_pieces(rng, canned, lane) for lane, rng in enumerate(rngs)]
    loop = None
    for index in range(canned.tokens):
        yield "".join(
            token_line(rngs[lane], canned, lane, index, texts[lane][index])
            for lane in range(len(canned.specs))
        )
        onset = canned.tokens * 2 // 5
        copies = (index + 1 - onset) / 9
        if canned.loop_lane is not None and copies >= 2 and canned.pieces is not HOSTILE:
            loop = (onset, 9, round(copies, 2))
            entry = {"onset": onset, "period": 9, "copies": loop[2]}
            yield line(l=canned.loop_lane, loops=[entry])
    for lane in range(len(canned.specs)):
        yield line(l=lane, end="max_new_tokens")
        yield metrics_line(lane, canned, loop if lane == canned.loop_lane else None)
    yield line(done=True, seed=str(canned.seed), elapsed_s=3.2)


def whole(canned: Canned) -> str:
    return "".join(columns(canned))
