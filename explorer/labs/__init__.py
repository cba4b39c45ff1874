"""Labs: papers as experiments, one folder each; no lab imports another."""

from explorer.core.catalog import Catalog
from explorer.labs.best_of_n.experiment import INFO as BEST_OF_N
from explorer.labs.ditto.experiment import INFO as DITTO
from explorer.labs.human_or_machine.experiment import INFO as HUMAN_OR_MACHINE
from explorer.labs.hyperfitting.experiment import INFO as HYPERFITTING
from explorer.labs.self_knowledge.experiment import INFO as SELF_KNOWLEDGE
from explorer.labs.set_prompting.experiment import INFO as SET_PROMPTING
from explorer.labs.sharpening.experiment import INFO as SHARPENING
from explorer.labs.watermarks.experiment import INFO as WATERMARKS

ALL = (
    WATERMARKS,
    HUMAN_OR_MACHINE,
    HYPERFITTING,
    DITTO,
    BEST_OF_N,
    SHARPENING,
    SELF_KNOWLEDGE,
    SET_PROMPTING,
)
"""In the gallery's order within a family."""

CATALOG = Catalog("lab", ALL, {alias: info.name for info in ALL for alias in info.aliases})
