"""The Dockerfile, read: no container is built here, but what it says must hold."""

from __future__ import annotations

import json
import re

from torch_names import ROOT

from explorer.services.settings import Settings


def instructions() -> list[tuple[str, str]]:
    """Keyword and rest of every instruction, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    lines = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return [(keyword, " ".join(rest.split())) for keyword, rest in lines]


def of(keyword: str) -> list[str]:
    return [rest for name, rest in instructions() if name == keyword]


def test_it_runs_as_nobody_special() -> None:
    names = [name for name, _ in instructions()]
    assert of("USER") == ["explorer"]
    assert names.index("USER") < names.index("CMD")
    # All that needs root, and all that is copied, comes before.
    assert "RUN" not in names[names.index("USER") :]
    assert "COPY" not in names[names.index("USER") :]
    assert "useradd" in of("RUN")[0]
    assert not any("chown" in rest and "/app" in rest for rest in of("RUN"))


def test_the_health_check_asks_the_page_where_it_listens() -> None:
    (check,) = of("HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])
    assert command[:2] == ["python", "-c"]
    compile(command[2], "healthcheck", "exec")
    environment = dict(re.findall(r"(\w+)=(\S+)", of("ENV")[0]))
    assert environment["EXPLORER_PORT"] == of("EXPOSE")[0] == str(Settings().port)
    assert environment["EXPLORER_HOST"] == "0.0.0.0"
    assert environment["EXPLORER_CACHE"].startswith(of("VOLUME")[0])


def test_what_is_copied_is_there_and_is_all_that_the_page_reads() -> None:
    copied = {name for rest in of("COPY") for name in rest.split()[:-1]}
    assert copied == {"requirements.txt", "app.py", "README.md", "assets", "explorer"}
    assert all((ROOT / name).exists() for name in copied)
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert {line[1:] for line in allowed if line.startswith("!")} == copied


def test_it_starts_as_the_readme_says_under_the_python_of_a_space() -> None:
    assert json.loads(of("CMD")[0]) == ["python", "app.py"]
    front = (ROOT / "README.md").read_text(encoding="utf-8").split("---")[1]
    minor = re.search(r'python_version: "3\.(\d+)', front).group(1)
    assert of("FROM") == [f"python:3.{minor}-slim"]


def test_no_secret_is_built_in() -> None:
    said = " ".join(rest for name, rest in instructions() if name in {"ENV", "ARG"}).lower()
    assert not re.search(r"token|secret|password|key", said)
