"""The licence in a README's front matter."""

from __future__ import annotations

import pytest

from explorer.services.model_card import licence_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("---\nlibrary_name: x\nlicense: apache-2.0\n---\n# Title", "apache-2.0"),
        ('---\nlicense: "mit"\n---\n', "mit"),
        ("# Title\nlicense: mit\n", "unknown"),
        ("", "unknown"),
        ("---", "unknown"),
        (None, "unknown"),
    ],
)
def test_licences(tmp_path, text, expected):
    if text is not None:
        (tmp_path / "README.md").write_text(text)
    assert licence_of(tmp_path) == expected
