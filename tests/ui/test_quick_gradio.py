"""Gradio imported without its help for editors is the same Gradio."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import explorer

ROOT = Path(explorer.__file__).parent.parent

QUICK = """
import sys
from jinja2 import Template
rendered = []
usual = Template.render
Template.render = lambda *given, **named: rendered.append(1) or usual(*given, **named)
from explorer.ui.quick_gradio import import_gradio
before = list(sys.meta_path)
import_gradio()
assert sys.meta_path == before
"""

SAME = """
import gradio as gr
with gr.Blocks(analytics_enabled=False) as blocks:
    box = gr.Textbox()
    gr.Button().click(lambda text: text, box, box)
assert blocks.get_config_file()["dependencies"][0]["targets"], "the event is there"
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)


def test_no_template_is_filled_and_events_work() -> None:
    done = run(f"{QUICK}\nassert not rendered, len(rendered)\n{SAME}")
    assert done.returncode == 0, done.stderr


def test_that_check_can_fail() -> None:
    usual = QUICK.replace("import_gradio()", "import gradio")
    assert "AssertionError" in run(f"{usual}\nassert not rendered, len(rendered)").stderr


def test_another_gradio_is_left_as_it_is(tmp_path: Path) -> None:
    package = tmp_path / "gradio"
    package.mkdir()
    (package / "__init__.py").write_text("import gradio.component_meta, gradio.events\n")
    (package / "component_meta.py").write_text("def other(): return 1\n")
    (package / "events.py").write_text("class EventListener: pass\n")
    done = run(
        f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\n"
        "from explorer.ui.quick_gradio import import_gradio\nimport_gradio()\n"
        "import gradio\nassert gradio.__file__.startswith(sys.path[0]), gradio.__file__\n"
        "assert gradio.component_meta.other() == 1\n"
        "assert not hasattr(gradio.events.EventListener, 'set_doc')\n"
        "assert not hasattr(gradio.component_meta, 'create_or_modify_pyi')\n"
    )
    assert done.returncode == 0, done.stderr
