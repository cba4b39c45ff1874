"""`bench`: ratios, whether they hold, and how many tokens a second eight lanes make."""

from __future__ import annotations

import pytest
from fakes import ScriptedModel, hashed_script

from explorer.cli import bench as command
from explorer.cli import main
from explorer.services import bench as module
from explorer.services.bench import Ratio


@pytest.mark.parametrize(("median", "code"), [(1.2, 0), (1.3, 1)])
def test_it_says_what_holds_and_how_fast_eight_lanes_are(monkeypatch, capsys, median, code):
    ratio = Ratio("lanes / bare loop", median, 1.1, 1.4, 1.25, {"explorer": 0.5, "bare": 0.4})
    monkeypatch.setattr(command, "open_model", lambda *_, **__: ScriptedModel(hashed_script(16)))
    monkeypatch.setattr(module, "bench", lambda *_: [ratio])
    assert main(["bench", "--tokens", "64"]) == code
    said = capsys.readouterr().out
    assert ("NO" in said) == bool(code)
    # 8 x 64 in 0.5 and in 0.4 seconds
    assert "eight lanes with traces: 1,024 tokens a second; bare loop: 1,280" in said
