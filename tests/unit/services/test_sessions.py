from __future__ import annotations

from fakes import LetterTokenizer, ScriptedModel, hashed_script

from explorer.services.generation import Run, RunOptions
from explorer.services.sessions import Sessions

VOCAB = LetterTokenizer().vocab_size


def finished(sessions: Sessions, key: str, tokens: int) -> Run:
    cancel = sessions.begin(key)
    options = RunOptions(max_new_tokens=tokens, ignore_eos=True)
    run = Run(ScriptedModel(hashed_script(VOCAB)), "abc", ["greedy"], options, cancel=cancel)
    list(run.columns())
    sessions.store(key, run, "lines")
    return run


def test_the_least_recently_used_session_makes_room_and_its_run_ends() -> None:
    sessions = Sessions(capacity=2)
    first = sessions.begin("a")
    sessions.begin("b")
    sessions.begin("c")
    assert sessions.get("a") is None
    assert first.is_set()


def test_old_results_make_room_by_their_tokens_and_the_newest_never_does() -> None:
    sessions = Sessions(tokens=50)
    finished(sessions, "a", 20)
    kept = finished(sessions, "b", 20)
    finished(sessions, "c", 30)
    assert sessions.get("a").run is None
    assert sessions.get("b").run is kept
    huge = finished(sessions, "d", 90)
    assert sessions.get("d").run is huge
    assert sessions.get("c").run is None


def test_a_result_of_a_forgotten_or_newer_run_is_not_stored() -> None:
    sessions = Sessions()
    run = finished(sessions, "a", 5)
    sessions.forget("a")
    assert run.cancel.is_set()
    sessions.store("a", run, "x")
    assert sessions.get("a") is None
    old = finished(sessions, "a", 5)
    sessions.begin("a")
    sessions.store("a", old, "late")
    assert sessions.get("a").ndjson == "lines"
