"""Decoding methods: choosers in one file each, and the catalogue of all stages."""

from explorer.core.catalog import Catalog
from explorer.core.decoder import StageInfo
from explorer.decoders import ancestral, beam, greedy, momentum
from explorer.processors import ALL as PROCESSORS

ALL: tuple[StageInfo, ...] = (greedy.INFO, ancestral.INFO, beam.INFO, momentum.INFO)
"""Order here is order on the page."""

CATALOG: Catalog[StageInfo] = Catalog(
    "decoder",
    (*ALL[:2], *PROCESSORS, *ALL[2:]),
    aliases={
        "top_p": "nucleus",
        "topp": "nucleus",
        "topk": "top_k",
        "typical": "locally_typical",
        "typical_p": "locally_typical",
        "typ_p": "locally_typical",
        "minp": "min_p",
        "sample": "ancestral",
        "sampling": "ancestral",
        "random": "ancestral",
        "multinomial": "ancestral",
        "pure": "ancestral",
        "beam_search": "beam",
        "argmax": "greedy",
        "epsilon_cutoff": "epsilon",
        "eta_cutoff": "eta",
        "no_repeat_ngram_size": "no_repeat_ngram",
        "rep_pen": "repetition_penalty",
    },
)
