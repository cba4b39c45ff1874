"""Which names of torch the project uses, and whether an older torch has them.

ZeroGPU offers torch up to 2.11, and no build of it need be at hand: its wheel can be unpacked and
read. `python tests/torch_names.py FOLDER` looks every name up in FOLDER/torch (a wheel of that
torch, unzipped) and writes `tests/torch_2_11.txt`, which the ordinary tests compare with the code.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIST = ROOT / "tests" / "torch_2_11.txt"
# Names of compiled parts stand in stubs, those of `torch` itself in several files.
_OF_TORCH = (
    "__init__.py", "_C/__init__.pyi", "_C/_VariableFunctions.pyi", "functional.py", "_tensor.py",
    "serialization.py", "random.py", "modules/__init__.py",
)  # fmt: skip
_COMPILED = "torch.ops."
"""Operators are registered by compiled code: their names stand in no file that can be read."""


def sources() -> list[Path]:
    """Everything that runs on a Space."""
    return [ROOT / "app.py", *sorted((ROOT / "explorer").rglob("*.py"))]


def used_names() -> set[str]:
    """Every dotted name that begins with `torch`, as it is written or imported."""
    found: set[str] = set()
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "torch":
                found |= {f"{node.module}.{name.name}" for name in node.names}
            elif isinstance(node, ast.Import):
                found |= {n.name for n in node.names if n.name.split(".")[0] == "torch"}
            elif isinstance(node, ast.Attribute):
                dotted = _dotted(node)
                if dotted.startswith("torch."):
                    found.add(dotted)
    # `torch.cuda` is part of `torch.cuda.is_available`; a dtype's or a result's own are not torch's
    return {name for name in found if not any(o.startswith(f"{name}.") for o in found)}


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""


def stands_in(name: str, folder: Path) -> bool:
    """Whether an unpacked wheel declares a name; what is only compiled is taken on trust."""
    if name.startswith(_COMPILED):
        return True
    first, *parts = name.split(".")
    place = folder / first
    for number, part in enumerate(parts):
        inner = place / part
        if inner.is_dir() or inner.with_suffix(".py").is_file():
            place = inner if inner.is_dir() else inner.with_suffix(".py")
            continue
        return number == len(parts) - 1 and _declares(place, part)
    return True


def _declares(place: Path, name: str) -> bool:
    files = [place] if place.is_file() else [place / file for file in _OF_TORCH]
    word = re.escape(name)
    pattern = re.compile(
        rf"(?:def|class)\s+{word}\b|^\s*{word}\s*[:=]|[\"']{word}[\"']|import .*\b{word}\b"
        rf"|^\s+{word}(?: as {word})?,?\s*(?:#.*)?$",
        re.MULTILINE,
    )
    return any(f.is_file() and pattern.search(f.read_text(encoding="utf-8")) for f in files)


def listed() -> set[str]:
    """The names that were looked up in torch 2.11."""
    return set(LIST.read_text(encoding="utf-8").split())


def main(folder: str) -> int:
    names = sorted(used_names())
    missing = [name for name in names if not stands_in(name, Path(folder))]
    if missing:
        print("not in this torch:", *missing)
        return 1
    LIST.write_text("\n".join(names) + "\n", encoding="utf-8")
    print(f"{len(names)} names, all there")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
