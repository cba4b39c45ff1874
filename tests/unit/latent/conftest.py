from __future__ import annotations

import pytest

from explorer.latent.automaton import Automaton, Weighting
from explorer.latent.laws import GrammarLaws
from explorer.latent.toy import toy_grammar


@pytest.fixture(scope="session")
def toy_laws() -> dict[Weighting, GrammarLaws]:
    return {weighting: GrammarLaws(Automaton(toy_grammar(), weighting)) for weighting in Weighting}
