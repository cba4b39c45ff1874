"""Loads are shared, statuses never wait, and the oldest model makes room."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest
import torch
from fakes import ScriptedModel, hashed_script
from model_folders import write_model

from explorer.core.errors import ExplorerError, ModelUnavailable
from explorer.services import devices, model_pool
from explorer.services.model_pool import ModelPool, ModelStatus, summarise
from explorer.services.offered import OfferedModels
from explorer.services.settings import Settings


def _model(name):
    return ScriptedModel(hashed_script(38), name=name)


class Loader:
    """Loads scripted models; can be held, made to fail, and counts."""

    def __init__(self):
        self.loads = []
        self.gate = threading.Event()
        self.gate.set()
        self.failures = []

    def __call__(self, name, progress):
        self.loads.append(name)
        progress("Reading", 0.5)
        assert self.gate.wait(10)
        if self.failures:
            raise self.failures.pop(0)
        return _model(name)


@pytest.fixture
def loader():
    return Loader()


@pytest.fixture
def pool(loader):
    return ModelPool(limit=2, load=loader, names=["a", "b"])


def _until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_model_is_loaded_once(pool, loader):
    assert pool.status("a") == ModelStatus("absent")
    assert pool.ready("a") is None
    handle = pool.get("a")
    assert pool.get("a") is handle is pool.ready("a")
    assert loader.loads == ["a"]
    assert pool.status("a").state == "ready"
    assert pool.status("a").summary == summarise(handle.info)


def test_callers_at_the_same_time_share_one_load(pool, loader):
    loader.gate.clear()
    got = []
    threads = [threading.Thread(target=lambda: got.append(pool.get("a"))) for _ in range(5)]
    for thread in threads:
        thread.start()
    _until(lambda: loader.loads)
    loader.gate.set()
    for thread in threads:
        thread.join()
    assert loader.loads == ["a"]
    assert len(got) == 5
    assert len({id(handle) for handle in got}) == 1


def test_a_status_never_waits_for_a_load(pool, loader):
    loader.gate.clear()
    pool.start_loading("a")
    pool.start_loading("a")
    _until(lambda: pool.status("a").fraction is not None)
    began = time.monotonic()
    assert pool.status("a") == ModelStatus("loading", "Reading", 0.5)
    assert pool.ready("a") is None
    assert pool.status("b").state == "absent"
    assert time.monotonic() - began < 1
    loader.gate.set()
    _until(lambda: pool.status("a").state == "ready")
    assert loader.loads == ["a"]


def test_a_failed_load_is_told_to_everybody_and_can_be_tried_again(pool, loader):
    loader.gate.clear()
    loader.failures = [ModelUnavailable("The Hub is down.", "Wait.")]
    errors = []

    def ask():
        try:
            pool.get("a")
        except ModelUnavailable as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    _until(lambda: loader.loads)
    time.sleep(0.05)
    loader.gate.set()
    for thread in threads:
        thread.join()
    assert [str(e) for e in errors] == ["The Hub is down. Wait."] * 3
    assert pool.status("a") == ModelStatus("failed", error="The Hub is down.", hint="Wait.")
    assert pool.ready("a") is None
    assert pool.get("a").info.id == "a"
    assert pool.status("a").state == "ready"
    assert loader.loads == ["a", "a"]


def test_start_loading_tries_again_after_a_failure(pool, loader):
    loader.failures = [ModelUnavailable("no")]
    pool.start_loading("a")
    _until(lambda: pool.status("a").state == "failed")
    pool.start_loading("a")
    _until(lambda: pool.status("a").state == "ready")


def test_an_unexpected_error_is_a_failure_too_and_logged(pool, loader, caplog):
    loader.failures = [ZeroDivisionError("oops")]
    with pytest.raises(ModelUnavailable, match="ZeroDivisionError: oops"):
        pool.get("a")
    assert "Traceback" in caplog.text
    assert pool.status("a").state == "failed"


def test_an_interrupt_leaves_nobody_waiting(pool, loader):
    loader.failures = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        pool.get("a")
    assert pool.status("a").state == "failed"
    assert pool.get("a").info.id == "a"


def test_the_model_not_asked_for_longest_makes_room(pool, loader):
    first = pool.get("a")
    pool.get("b")
    pool.get("a")
    pool.get("c")
    assert [pool.status(n).state for n in "abc"] == ["ready", "absent", "ready"]
    assert pool.ready("a") is first
    pool.get("b")
    assert [pool.status(n).state for n in "abc"] == ["ready", "ready", "absent"]
    assert first.law([1]).shape == (38,)


def test_a_mistyped_name_costs_no_loaded_model(tmp_path, monkeypatch):
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("first", "second"):
        write_model(tmp_path / name)
    pool, first = ModelPool(limit=1), str(tmp_path / "first")
    handle = pool.get(first)
    for wrong in ("smollm2-135", str(tmp_path / "frist"), str(tmp_path / "x.gguf"), "org/gone"):
        with pytest.raises(ExplorerError):
            pool.get(wrong)
        assert pool.status(wrong).state == "failed"
        assert pool.ready(first) is handle, wrong
    pool.get(str(tmp_path / "second"))
    assert pool.status(first).state == "absent"


def test_room_is_made_before_the_memory_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path))
    for name in ("first", "second"):
        write_model(tmp_path / name)
    pool, first = ModelPool(limit=1), str(tmp_path / "first")
    gone = weakref.ref(pool.get(first))
    seen = []

    def free_memory(_device):
        gc.collect()
        seen.append(gone() is None)
        return 10**9

    monkeypatch.setattr(devices, "free_memory", free_memory)
    pool.get(str(tmp_path / "second"))
    assert seen == [True]


def test_models_are_loaded_one_at_a_time():
    loading_now, most = [], []
    begun = threading.Barrier(3)

    def load(name, progress):
        loading_now.append(name)
        time.sleep(0.05)
        most.append(len(loading_now))
        loading_now.remove(name)
        return _model(name)

    def ask(name):
        begun.wait()
        pool.get(name)

    pool = ModelPool(limit=3, load=load, names=[])
    threads = [threading.Thread(target=ask, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1]


def test_who_waits_for_another_load_is_told_so(pool, loader):
    loader.gate.clear()
    pool.start_loading("a")
    _until(lambda: pool.status("a").fraction is not None)
    pool.start_loading("b")
    _until(lambda: "Waiting for another model" in pool.status("b").what)
    loader.gate.set()
    _until(lambda: pool.status("b").state == "ready")


class Large:
    """Stands for the tensors of a load that fails half way."""


@pytest.mark.parametrize("kind", [ModelUnavailable, ZeroDivisionError])
def test_failed_loads_hold_nothing_and_only_the_latest_are_remembered(kind, monkeypatch):
    monkeypatch.setattr(model_pool.LOG, "disabled", True)  # pytest keeps what is logged
    held = []

    def load(name, progress):
        half = Large()
        held.append(weakref.ref(half))
        try:
            raise OSError(name)
        except OSError as error:
            raise kind(f"no {name}") from error

    pool = ModelPool(load=load, names=[])
    for i in range(50):
        with pytest.raises(ModelUnavailable):
            pool.get(f"m{i}")
    gc.collect()
    assert not [ref for ref in held if ref() is not None]
    states = [pool.status(f"m{i}").state for i in range(50)]
    assert states == ["absent"] * 30 + ["failed"] * 20


def test_models_given_by_hand_stay(pool):
    given = _model("mine")
    pool.add("mine", given)
    for name in "abcd":
        pool.get(name)
    assert pool.get("mine") is given
    assert pool.status("mine").state == "ready"
    assert sum(pool.status(n).state == "ready" for n in "abcd") == 2


def test_names_are_those_given_by_hand_and_those_that_can_be_loaded(pool):
    assert pool.names() == ["a", "b"]
    pool.add("mine", _model("mine"))
    pool.add("b", _model("b"))
    assert pool.names() == ["mine", "b", "a"]


def test_the_summary_is_one_line():
    summary = summarise(_model("toy").info)
    assert summary.startswith("toy · Apache-2.0 · from scripted · float32 · cpu · ")
    assert summary.endswith((" core", " cores"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert summarise(_model("toy").info).endswith(" · 1 core")
    finally:
        torch.set_num_threads(threads)


def test_a_lent_model_is_had_by_its_name_is_not_offered_and_is_taken_back():
    pool = ModelPool(limit=1, load=Loader(), names=["a"])
    lent = _model("secret-1")
    pool.lend("secret-1", lent)
    assert pool.lends("secret-1")
    assert not pool.lends("a")
    assert pool.names() == ["a"]
    assert pool.get("secret-1") is lent
    pool.get("a")  # whatever is loaded, a lent model makes no room
    assert pool.ready("secret-1") is lent
    pool.take_back("secret-1")
    pool.take_back("a")  # no lent model: it stays
    assert pool.ready("secret-1") is None
    assert pool.ready("a") is not None


def test_of_lent_models_the_latest_few_are_kept():
    pool = ModelPool(load=Loader(), names=[])
    for number in range(model_pool.MOST_LENT + 2):
        pool.lend(f"m{number}", _model(f"m{number}"))
    assert [pool.lends(f"m{n}") for n in range(model_pool.MOST_LENT + 2)] == [
        False,
        False,
        *[True] * model_pool.MOST_LENT,
    ]


def test_a_lent_model_may_be_asked_for_where_others_may_not():
    pool = ModelPool(load=Loader(), names=[])
    offered = OfferedModels(Settings(models=("tiny",)), pool)
    with pytest.raises(ModelUnavailable, match="not offered"):
        offered.allow("tuned")
    offered.lend("tuned", _model("tuned"))
    offered.allow("tuned")
    assert "tuned" not in offered.names()
    offered.take_back("tuned")
    with pytest.raises(ModelUnavailable, match="not offered"):
        offered.allow("tuned")
