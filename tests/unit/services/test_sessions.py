from __future__ import annotations

from fakes import LetterTokenizer, ScriptedModel, hashed_script

from explorer.services.generation import Run, RunOptions
from explorer.services.live import LiveRun
from explorer.services.sessions import Sessions, size_of

VOCAB = LetterTokenizer().vocab_size


def begun(sessions: Sessions, key: str, tokens: int, spec: str = "greedy") -> LiveRun:
    cancel = sessions.prepare(key)
    options = RunOptions(max_new_tokens=tokens, ignore_eos=True)
    run = Run(ScriptedModel(hashed_script(VOCAB)), "abc", [spec], options, cancel=cancel)
    live = LiveRun(run)
    assert sessions.begin(key, cancel, live)
    return live


def finished(sessions: Sessions, key: str, tokens: int, spec: str = "greedy") -> LiveRun:
    live = begun(sessions, key, tokens, spec)
    list(live.frames())
    sessions.finish(key, live)
    return live


def test_the_least_recently_used_session_makes_room_and_its_run_ends() -> None:
    sessions = Sessions(capacity=2)
    first = begun(sessions, "a", 5)
    begun(sessions, "b", 5)
    begun(sessions, "c", 5)
    assert sessions.latest("a") is None
    assert first.run.cancel.is_set()


def test_old_results_make_room_by_their_tokens_and_the_newest_never_does() -> None:
    sessions = Sessions(tokens=50)
    finished(sessions, "a", 20)
    finished(sessions, "b", 20)
    finished(sessions, "c", 30)
    assert sessions.latest("a") is None
    assert len(sessions.latest("b").traces[0].steps) == 20
    finished(sessions, "d", 90)
    assert len(sessions.latest("d").traces[0].steps) == 90
    assert sessions.latest("c") is None


def test_what_a_search_keeps_beside_its_best_row_counts() -> None:
    sessions = Sessions()
    live = finished(sessions, "a", 12, "beam:width=4")
    assert live.run.recorder.held > 4 * 11
    result = sessions.latest("a")
    assert 12 < size_of(result) <= live.run.recorder.held


def test_a_result_of_a_forgotten_or_newer_run_is_not_kept() -> None:
    sessions = Sessions()
    live = begun(sessions, "a", 5)
    sessions.forget("a")
    assert live.run.cancel.is_set()
    list(live.frames())
    sessions.finish("a", live)
    assert sessions.latest("a") is None
    old = begun(sessions, "a", 5)
    new = finished(sessions, "a", 7)
    list(old.frames())
    sessions.finish("a", old)
    assert old.run.cancel.is_set()
    assert new.run.cancel.is_set()
    assert len(sessions.latest("a").traces[0].steps) == 7


def test_only_the_latest_request_of_a_tab_begins() -> None:
    sessions = Sessions()
    first = sessions.prepare("a")
    second = sessions.prepare("a")
    assert first.is_set()
    run = Run(ScriptedModel(hashed_script(VOCAB)), "abc", ["greedy"], cancel=first)
    assert not sessions.begin("a", first, LiveRun(run))
    assert not second.is_set()
