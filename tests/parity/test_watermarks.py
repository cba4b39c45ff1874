"""KGW and SynthID against the classes of transformers, called as `generate` calls them."""

from __future__ import annotations

import torch
from fakes import NumberTokenizer, tiny_llama
from transformers import (
    SynthIDTextWatermarkLogitsProcessor,
    WatermarkDetector,
    WatermarkingConfig,
    WatermarkLogitsProcessor,
)

from explorer.core.decoder import StepView
from explorer.core.models import HFModel
from explorer.decoders.spec import parse
from explorer.processors.synthid import KEYS
from explorer.services.generation import generate

PROMPT = [5, 17, 33, 4, 90, 17]


def test_the_green_list_is_that_of_transformers() -> None:
    logits = torch.randn(2, 97, generator=torch.Generator().manual_seed(0))
    histories = ([3, 4, 5], [8, 8, 9])
    theirs = WatermarkLogitsProcessor(97, "cpu", greenlist_ratio=0.25, bias=2.0)
    (stage,) = parse("kgw").processors
    ours = stage.info.build(stage.params)(
        logits, StepView(logits, logits, histories, 0, (0.5,) * 2)
    )
    assert torch.equal(ours, theirs(torch.tensor(histories), logits.clone()))


def test_the_detector_of_transformers_finds_it_and_nothing_else() -> None:
    model = tiny_llama(0, scale=1.0)  # flat laws: room for a mark
    handle = HFModel.from_parts(model, NumberTokenizer(), id="tiny")
    specs = ["kgw:bias=4", "ancestral"]
    marked, plain = generate(handle, PROMPT, specs, max_new_tokens=120)
    config = WatermarkingConfig(greenlist_ratio=0.25, bias=4.0)
    detector = WatermarkDetector(model.config, "cpu", config, ignore_repeated_ngrams=True)
    for trace, expected in ((marked, True), (plain, False)):
        found = detector(torch.tensor([[*PROMPT, *trace.token_ids]]), z_threshold=3.0)
        assert bool(found[0]) is expected


def test_synthid_equals_the_class_step_by_step() -> None:
    theirs = SynthIDTextWatermarkLogitsProcessor(
        ngram_len=5,
        keys=list(KEYS[:10]),
        sampling_table_size=2**16,
        sampling_table_seed=0,
        context_history_size=1024,
        device=torch.device("cpu"),
    )
    (stage,) = parse("synthid").processors
    ours = stage.info.build(stage.params)
    noise = torch.Generator().manual_seed(4)
    ids = list(PROMPT)
    for step in range(25):
        logits = torch.randn(1, 97, generator=noise) * 2
        expected = theirs(torch.tensor([ids]), logits.clone())
        view = StepView(logits, logits, (list(ids),), len(PROMPT), (0.5,))
        found = ours(logits, view)
        assert torch.allclose(found.log_softmax(-1), expected.log_softmax(-1), atol=1e-5), step
        # a loop of five tokens, so that contexts come back and are left unmarked
        ids.append([11, 12, 13, 14, 15][step % 5] if step > 8 else int(expected.argmax()))
