"""Every processor that transformers has, on random logits, at several settings."""

from __future__ import annotations

import pytest
import torch
from transformers.generation import logits_process as hf

from explorer.core.decoder import StepView
from explorer.decoders.spec import parse

CASES = [
    ("temperature:temperature=0.7", lambda: hf.TemperatureLogitsWarper(0.7)),
    ("temperature:temperature=3", lambda: hf.TemperatureLogitsWarper(3.0)),
    ("top_k:k=1", lambda: hf.TopKLogitsWarper(1)),
    ("top_k:k=40", lambda: hf.TopKLogitsWarper(40)),
    ("nucleus:p=0.1", lambda: hf.TopPLogitsWarper(0.1)),
    ("nucleus:p=0.95", lambda: hf.TopPLogitsWarper(0.95)),
    ("nucleus:p=0.999", lambda: hf.TopPLogitsWarper(0.999)),
    ("min_p:p=0.02", lambda: hf.MinPLogitsWarper(0.02)),
    ("min_p:p=0.5", lambda: hf.MinPLogitsWarper(0.5)),
    ("locally_typical:mass=0.2", lambda: hf.TypicalLogitsWarper(0.2)),
    ("locally_typical:mass=0.95", lambda: hf.TypicalLogitsWarper(0.95)),
    ("eta:epsilon=0.0009", lambda: hf.EtaLogitsWarper(0.0009)),
    ("eta:epsilon=0.02", lambda: hf.EtaLogitsWarper(0.02)),
    ("epsilon:epsilon=0.0006", lambda: hf.EpsilonLogitsWarper(0.0006)),
    ("epsilon:epsilon=0.9", lambda: hf.EpsilonLogitsWarper(0.9)),
    ("repetition_penalty:penalty=1.3", lambda: hf.RepetitionPenaltyLogitsProcessor(1.3)),
    ("repetition_penalty:penalty=0.8", lambda: hf.RepetitionPenaltyLogitsProcessor(0.8)),
    ("no_repeat_ngram:n=1", lambda: hf.NoRepeatNGramLogitsProcessor(1)),
    ("no_repeat_ngram:n=3", lambda: hf.NoRepeatNGramLogitsProcessor(3)),
]
# The vocabulary of 3,000 is wider than the first try of nucleus and typical, so that both the
# partial and the full sort are exercised; the flat law needs the full one.
LAWS = [(seed, vocab, scale) for seed in range(3) for vocab in (50, 3000) for scale in (0.3, 3.0)]


@pytest.mark.parametrize(("spec", "reference"), CASES, ids=[case[0] for case in CASES])
@pytest.mark.parametrize(("seed", "vocab", "scale"), LAWS)
def test_the_same_tokens_survive_with_the_same_scores(spec, reference, seed, vocab, scale) -> None:
    noise = torch.Generator().manual_seed(seed)
    logits = torch.randn(4, vocab, generator=noise) * scale
    history = torch.randint(0, 20, (4, 30), generator=noise)
    before = logits.clone()
    view = StepView(logits, logits.log_softmax(-1), tuple(history.tolist()), 5, (0.5,) * 4)
    (stage,) = parse(spec).processors
    ours = stage.info.build(stage.params)(logits, view)
    theirs = reference()(history, logits.clone())
    assert torch.equal(logits, before), "the input was changed"
    assert torch.equal(ours.isfinite(), theirs.isfinite())
    kept = ours.isfinite()
    assert torch.allclose(ours[kept], theirs[kept], atol=1e-6)
