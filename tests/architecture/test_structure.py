"""The shape of the house: floors, complete catalogues, small files, a true README."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from example_law import ENTROPY, logprobs
from method_docs import DOCS, NO_PICTURE, files
from write_docs import PARTS, TRACE_SCHEMA, rewritten, trace_schema

import explorer
from explorer.analyzers import ALL as ANALYZERS
from explorer.decoders import ALL as CHOOSERS
from explorer.processors import ALL as PROCESSORS

ROOT = Path(explorer.__file__).parent.parent
SOURCES = sorted((ROOT / "explorer").rglob("*.py"))
HEADLESS = ("core", "processors", "decoders", "analyzers", "latent", "render", "services", "cli")


def modules(package: str) -> list[str]:
    folder = ROOT / "explorer" / package
    return [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(folder.rglob("*.py"))
    ]


def imported_after(code: str, name: str) -> bool:
    check = f"{code}\nimport sys\nprint({name!r} in sys.modules)"
    out = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, cwd=ROOT)
    assert out.returncode == 0, out.stderr
    return out.stdout.strip().splitlines()[-1] == "True"


def test_nothing_below_the_page_imports_gradio() -> None:
    names = [name for package in HEADLESS for name in modules(package)]
    assert not imported_after("\n".join(f"import {name}" for name in names), "gradio")


def test_that_check_can_fail() -> None:
    assert imported_after("import explorer.ui.app", "gradio")


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not imported_after("import explorer", "torch")
    assert not imported_after("import explorer.cli", "torch")
    # Nor does reading a command line: `ui` opens its door right after it.
    assert not imported_after("import explorer.cli; explorer.cli.build_parser()", "torch")


HEAVY = ("torch", "transformers", "safetensors.torch", "gguf", "scipy", "sklearn", "numba", "umap")
PAGE = """
from explorer.services.compare import Services
from explorer.services.model_pool import ModelPool
from explorer.services.settings import Settings
from explorer.ui.app import build_app, launch_options
services = Services(Settings(), ModelPool(1))
build_app(services)
launch_options(services.settings)
"""


def test_the_page_is_built_before_anything_heavy_is_there() -> None:
    code = f"{PAGE}\nimport sys\nheavy = [n for n in {HEAVY} if n in sys.modules]"
    assert not imported_after(f"{code}\nassert not heavy, heavy", "torch")


def test_that_check_can_fail_too() -> None:
    assert imported_after(f"{PAGE}\nfrom explorer.core.deferred import torch\ntorch.e", "torch")


@pytest.mark.parametrize(
    ("package", "attribute", "found"),
    [
        ("processors", "INFO", {info.name for info in PROCESSORS}),
        ("decoders", "INFO", {info.name for info in CHOOSERS}),
    ],
)
def test_every_module_with_an_entry_is_in_the_catalogue(package, attribute, found) -> None:
    declared = {
        info.name
        for name in modules(package)
        if (info := getattr(importlib.import_module(name), attribute, None)) is not None
    }
    assert declared == found


def test_every_metric_is_in_the_catalogue_once() -> None:
    names = [info.name for info in ANALYZERS]
    assert len(names) == len(set(names))
    declared = {
        value.name
        for name in modules("analyzers")
        for value in vars(importlib.import_module(name)).values()
        if type(value).__name__ == "AnalyzerInfo"
    }
    assert declared == set(names)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_stay_small_and_documented(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400, "split it by concept"
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a module says what it is for"
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if not isinstance(node, ast.ClassDef):
            body = [n for n in node.body if not isinstance(n, ast.Expr)]
            length = (node.end_lineno or 0) - (body[0].lineno if body else node.lineno)
            assert length <= 50, f"{node.name} is {length} lines long"


PUBLIC = [p for p in SOURCES if p.name != "__main__.py"]


@pytest.mark.parametrize("path", PUBLIC, ids=lambda p: str(p.relative_to(ROOT)))
def test_public_names_have_docstrings(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    scopes = [tree, *(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name[0] != "_")]
    for scope in scopes:
        for node in scope.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_":
                assert ast.get_docstring(node), f"{path.name}: {node.name} has no docstring"


def test_no_drawer_for_everything() -> None:
    banned = {"utils.py", "helpers.py", "common.py", "misc.py"}
    assert not banned & {path.name for path in SOURCES}


@pytest.mark.parametrize(("path", "name", "make"), PARTS, ids=[p[1] for p in PARTS])
def test_generated_documentation_is_current(path, name, make) -> None:
    assert rewritten(path, name, make()) == path.read_text(encoding="utf-8"), "run: make docs"


def test_the_published_schema_of_trace_files_is_current() -> None:
    assert TRACE_SCHEMA.read_text(encoding="utf-8") == trace_schema(), "run: make docs"


def test_every_method_has_a_current_page_with_its_formula_and_picture() -> None:
    wanted = files()
    for path, content in wanted.items():
        assert path.read_text(encoding="utf-8") == content, "run: make docs"
    assert set((DOCS / "img").iterdir()) == {p for p in wanted if p.suffix == ".svg"}
    assert all(len(content) < 5_000 for path, content in wanted.items() if path.suffix == ".svg")
    names = {info.name for info in (*PROCESSORS, *CHOOSERS)}
    assert set(NO_PICTURE) <= names
    assert all(info.formula for info in (*PROCESSORS, *CHOOSERS))


def test_the_pictured_law_has_the_entropy_of_the_true_one() -> None:
    law = logprobs()
    assert abs(float(law.exp().sum()) - 1) < 1e-5
    assert abs(-float((law.exp() * law).sum()) - ENTROPY) < 0.1


def test_no_secret_door_to_code_in_weights() -> None:
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert "trust_remote_code=True" not in text
        assert "pickle.load" not in text
        assert "torch.load(" not in text
