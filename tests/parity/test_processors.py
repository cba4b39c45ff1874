"""Every processor that transformers has, on random logits, at several settings."""

from __future__ import annotations

import pytest
import torch
from fakes import NumberTokenizer, tiny_llama
from transformers.generation import logits_process as hf

from explorer.core.decoder import StepView
from explorer.core.interop import as_transformers, from_transformers
from explorer.decoders.spec import parse
from explorer.processors.banned_phrases import banned_phrases
from explorer.processors.logit_bias import logit_bias
from explorer.processors.no_repeat_ngram import no_repeat_ngram

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
    ("top_h:h=0.4,rule=code", lambda: hf.TopHLogitsWarper(0.4)),
    ("top_h:h=0.9,rule=code", lambda: hf.TopHLogitsWarper(0.9)),
    ("min_length:tokens=40", lambda: hf.MinNewTokensLengthLogitsProcessor(5, 40, [3, 7])),
    ("min_length:tokens=25", lambda: hf.MinNewTokensLengthLogitsProcessor(5, 25, [3, 7])),
    (
        "length_decay:start=10,factor=1.1",
        lambda: hf.ExponentialDecayLengthPenalty((10, 1.1), [3, 7], 5),
    ),
    (
        "length_decay:start=25,factor=1.1",
        lambda: hf.ExponentialDecayLengthPenalty((25, 1.1), [3, 7], 5),
    ),
    ('suppressed:containing="#3|#9"', lambda: hf.SuppressTokensLogitsProcessor([3, 9])),
    ('banned_phrases:phrases="#4|#11"', lambda: hf.NoBadWordsLogitsProcessor([[4], [11]])),
    (
        'logit_bias:bias="#4:2.5|#11:-3"',
        lambda: hf.SequenceBiasLogitsProcessor({(4,): 2.5, (11,): -3.0}),
    ),
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
    view = StepView(
        logits,
        logits.log_softmax(-1),
        tuple(history.tolist()),
        5,
        (0.5,) * 4,
        eos_ids=frozenset({3, 7}),
        tokenizer=NumberTokenizer(),
    )
    (stage,) = parse(spec).processors
    ours = stage.info.build(stage.params)(logits, view)
    theirs = reference()(history, logits.clone())
    assert torch.equal(logits, before), "the input was changed"
    assert torch.equal(ours.isfinite(), theirs.isfinite())
    kept = ours.isfinite()
    assert torch.allclose(ours[kept], theirs[kept], atol=1e-6)


def test_sequences_of_several_tokens_are_biased_and_banned_where_they_would_be_completed() -> None:
    noise = torch.Generator().manual_seed(1)
    logits = torch.randn(3, 40, generator=noise)
    history = torch.tensor([[5, 6, 7], [6, 5, 6], [7, 7, 5]])
    rows = history.tolist()
    bias = {(5, 6, 8): 4.0, (6, 9): -2.0, (5, 3): 1.0, (2,): 0.5}
    theirs = hf.SequenceBiasLogitsProcessor(bias)(history, logits.clone())
    assert torch.allclose(logit_bias(logits, rows, bias), theirs)
    words = [[5, 6, 8], [6, 9], [5, 3]]
    banned = hf.NoBadWordsLogitsProcessor(words)(history, logits.clone())
    assert torch.equal(banned_phrases(logits, rows, words), banned)


def test_nothing_may_be_suppressed_at_the_beginning_only() -> None:
    logits = torch.zeros(1, 10)
    theirs = hf.SuppressTokensAtBeginLogitsProcessor([3], 4)
    (stage,) = parse('suppressed:containing="#3",at_begin=true').processors
    for length in (4, 5):
        history = torch.arange(length).unsqueeze(0)
        view = StepView(
            logits, logits, (history[0].tolist(),), 4, (0.5,), tokenizer=NumberTokenizer()
        )
        ours = stage.info.build(stage.params)(logits, view)
        assert torch.equal(ours, theirs(history, logits.clone()))


def test_the_dearest_repetition_slope_still_counts_the_newest_in_full() -> None:
    logits = torch.tensor([[2.0, -2.0, 1.0, 3.0]])
    view = StepView(logits, logits, ([0, 1, 3, 3],), 0, (0.5,))
    (stage,) = parse("repetition_penalty:penalty=3,slope=1").processors
    ours = stage.info.build(stage.params)(logits, view)
    # weights 0, 1/3, 2/3, 1: penalties 1, 5/3, (3 by its latest)
    assert torch.allclose(ours, torch.tensor([[2.0, -2.0 * 5 / 3, 1.0, 1.0]]))


@pytest.mark.parametrize("left", [1, 2])
def test_the_last_token_can_be_forced_to_be_an_end(left: int) -> None:
    logits = torch.randn(2, 20, generator=torch.Generator().manual_seed(3))
    history = torch.zeros(2, 9, dtype=torch.long)
    theirs = hf.ForcedEOSTokenLogitsProcessor(9 + left, [3, 7])(history, logits.clone())
    view = StepView(
        logits, logits, ([0] * 9,) * 2, 4, (0.5,) * 2, frozenset({3, 7}), steps_left=left
    )
    (stage,) = parse("forced:end=true").processors
    ours = stage.info.build(stage.params)(logits, view)
    # theirs makes all ends equally likely; here they keep the odds the model gave them
    assert torch.equal(ours.isfinite(), theirs.isfinite())
    assert torch.equal(ours[ours.isfinite()], logits[ours.isfinite()])


def test_our_processors_serve_generate_and_theirs_serve_us() -> None:
    model = tiny_llama(2)
    prompt = torch.tensor([[5, 17, 33, 4]])
    ours = as_transformers(lambda logits, view: no_repeat_ngram(logits, view.histories, 2))
    arguments = {"max_new_tokens": 30, "do_sample": False, "pad_token_id": 0}
    mixed = model.generate(prompt, logits_processor=[ours], **arguments)
    assert torch.equal(mixed, model.generate(prompt, no_repeat_ngram_size=2, **arguments))
    process = from_transformers(hf.NoRepeatNGramLogitsProcessor(2))
    logits = torch.randn(2, 97, generator=torch.Generator().manual_seed(0))
    view = StepView(logits, logits, ([1, 2, 1], [4, 4, 4]), 0, (0.5, 0.5))
    assert torch.equal(process(logits, view), no_repeat_ngram(logits, view.histories, 2))
