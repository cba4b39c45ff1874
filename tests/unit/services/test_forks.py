"""Forks go on from any token, keep what was there, share what was read, and can be proven."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import pytest
from fakes import (
    LetterTokenizer,
    NumberTokenizer,
    ScriptedModel,
    hashed_script,
    tiny_llama,
    tiny_mistral,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.core.errors import InvalidParams, NotCapable, TraceFormatError
from explorer.core.kv_cache import KVBatch
from explorer.core.models import HFModel
from explorer.core.trace_io import (
    read_traces,
    trace_from_json,
    trace_to_json,
    write_traces,
)
from explorer.core.types import Trace
from explorer.decoders import CATALOG
from explorer.services import forks
from explorer.services.branches import MAX_BRANCHES, History, Tree, regrown
from explorer.services.forks import ForkOptions, Way, fork_runs
from explorer.services.generation import RunOptions, generate
from explorer.services.prefix_cache import PrefixCache
from explorer.services.scoring import score
from explorer.services.verify.files import verify_file, verify_traces

VOCAB = LetterTokenizer().vocab_size


def fork(
    model, trace, at, *, token_id=None, text="", decoder="", count=1, tokens=None, known=()
) -> tuple[Trace, ...]:
    forced = () if token_id is None else (token_id,)
    options = ForkOptions(tokens, tuple(known))
    return forks.fork(model, trace, at, Way(forced, text, decoder, count), options)


@pytest.fixture(scope="module")
def model() -> ScriptedModel:
    return ScriptedModel(hashed_script(VOCAB))


@pytest.fixture(scope="module")
def trace(model) -> Trace:
    (made,) = generate(model, "abc", ["ancestral"], max_new_tokens=20, seed=3)
    return made


def proven(traces, model) -> None:
    for found in verify_traces(traces, model):
        assert found.agrees, found.mismatch.sentence
        assert not found.not_checked


def test_a_token_that_is_forced_changes_what_follows_and_nothing_before(model, trace) -> None:
    (made,) = fork(model, trace, 7, token_id=9)
    assert made.token_ids[:7] == trace.token_ids[:7]
    assert made.token_ids[7] == 9
    assert (made.given, len(made.steps), made.seed) == (8, 20, trace.seed)
    assert made.noise == trace.noise  # the same luck: what differs is what was forced
    assert made.decoder == trace.decoder
    assert made.prompt == trace.prompt
    assert trace_from_json(trace_to_json(made)) == made
    proven([made], model)


def test_forcing_the_token_that_stood_there_gives_the_same_text(model, trace) -> None:
    other = fork(model, trace, 7, token_id=trace.token_ids[7], decoder="greedy")
    again = fork(model, trace, 7, token_id=trace.token_ids[7])
    assert again[0].noise.lane != trace.noise.lane  # its own luck is taken by the trace itself
    proven([*other, *again], model)


@pytest.mark.parametrize("name", CATALOG)
def test_every_method_goes_on_and_can_be_proven(model, trace, name) -> None:
    for arguments in ({"token_id": 9}, {"text": "be "}, {}):
        made = fork(model, trace, 5, decoder=name, tokens=9, **arguments)
        assert made[0].token_ids[:5] == trace.token_ids[:5]
        assert made[0].steps[-1].index == len(made[0].steps) - 1
        proven(made, model)


def test_continuations_from_here_are_all_different_and_share_their_forwards(model, trace) -> None:
    before = model.forwards
    made = fork(model, trace, 10, count=20)
    assert model.forwards - before == 9
    assert len({t.token_ids for t in made}) > 15
    assert len({t.noise.lane for t in made}) == 20
    assert {t.given for t in made} == {10}
    more = fork(model, trace, 10, count=3, known=made)
    assert not {t.noise.lane for t in more} & {t.noise.lane for t in made}
    proven([*made[:4], *more], model)


def test_many_ways_and_methods_go_on_in_one_run(model, trace) -> None:
    ways = [
        Way((4,)),
        Way((5, 6, 7)),
        Way(decoder="greedy"),
        Way((8,), decoder="beam:width=3"),
        Way(count=2),
    ]
    (run,) = fork_runs(model, trace, 6, ways, ForkOptions(8))
    for _ in run.columns():
        pass
    made = run.traces()
    assert [t.given for t in made] == [7, 9, 6, 7, 6, 6]
    assert len({t.text for t in made}) == 6
    proven(made, model)


def test_forks_of_forks_and_of_searches_and_of_given_text(model, trace) -> None:
    (first,) = fork(model, trace, 4, token_id=8)
    (second,) = fork(model, first, 9, text="no")
    assert second.token_ids[:9] == first.token_ids[:9]
    assert second.given == 11
    (beam,) = generate(model, "abc", ["beam:width=3"], max_new_tokens=9)
    (third,) = fork(model, beam, 5, token_id=3)
    text = score(model, "hello")
    (fourth,) = fork(model, text, 3, decoder="top_k:k=3", tokens=5)
    assert fourth.text[:3] == "hello"[:3]
    proven([second, third, fourth], model)
    with pytest.raises(InvalidParams, match="made by no decoder"):
        fork(model, text, 3)


def test_stops_watch_a_fork_with_all_that_stood_before_it(model, trace) -> None:
    text = trace.text
    options = RunOptions(stop_strings=(text[8:10],))
    (stopped,) = generate(model, "abc", ["ancestral"], 20, 3, options)
    assert len(stopped.steps) == text.index(text[8:10]) + 2
    at = len(stopped.steps) - 1
    (again,) = fork(model, stopped, at, token_id=stopped.token_ids[-1], tokens=5)
    assert len(again.steps) > len(stopped.steps)  # what a person forced stops nothing
    proven([stopped, again], model)


def test_an_end_mark_is_where_forks_end(model) -> None:
    ending = ScriptedModel(hashed_script(VOCAB, end=5.0))
    (trace,) = generate(ending, "abc", ["ancestral"], max_new_tokens=40)
    assert str(trace.stop_reason) == "eos"
    with pytest.raises(InvalidParams, match="ends before this point"):
        fork(ending, trace, len(trace.steps))
    with pytest.raises(InvalidParams, match="holds an end mark"):
        fork_runs(ending, trace, 1, [Way((0, 5))])
    (made,) = fork(ending, trace, 1, token_id=0)
    assert (str(made.stop_reason), len(made.steps)) == ("eos", 2)
    proven([made], ending)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"at": 99}, "at must be at most 20"),
        ({"at": -1}, "at must be at least 0"),
        ({"at": 3, "token_id": 999}, "A token id must be at most"),
        ({"at": 3, "token_id": 1, "text": "a"}, "tokens or a text"),
        ({"at": 3, "text": "§"}, "holds no token"),
        ({"at": 3, "count": 0}, "count must be at least 1"),
        ({"at": 3, "count": 65}, "count must be at most 64"),
        ({"at": 3, "text": "abcd", "tokens": 2}, "max_new_tokens must be at least 4"),
        ({"at": 3, "tokens": 9_000}, "reads 8,192 tokens"),
        ({"at": 3, "decoder": "magic"}, "magic"),
    ],
)
def test_what_cannot_be_forked_is_refused(model, trace, arguments, message) -> None:
    with pytest.raises(Exception, match=message) as caught:
        fork(model, trace, **arguments)
    assert type(caught.value).__module__ == "explorer.core.errors"


def test_another_model_goes_on_with_nothing(trace) -> None:
    net = HFModel.from_parts(tiny_llama(), NumberTokenizer())
    with pytest.raises(InvalidParams, match="other weights"):
        fork(net, trace, 3)


def test_byte_pieces_survive_a_fork_in_the_middle_of_a_character() -> None:
    class Bytes(LetterTokenizer):
        def token_bytes(self, token_id: int) -> bytes:
            return bytes([token_id]) if token_id else b"<|end|>"

        def encode(self, text):
            return list(text.encode())

        encode_continuation = encode

    tokenizer = Bytes()
    tokenizer.vocab_size = 256
    said = "añ你🌊".encode()
    script = [[-50.0] + [0.0] * 255 for _ in said]
    for row, byte in zip(script, said, strict=True):
        row[byte] = 20.0
    model = ScriptedModel(lambda h: script[(len(h) - 1) % len(said)], tokenizer)
    (trace,) = generate(model, "x", ["greedy"], max_new_tokens=len(said))
    assert trace.text == "añ你🌊"
    for at in range(len(said)):
        (made,) = fork(
            model, trace, at, token_id=said[at], decoder="top_k:k=1", tokens=len(said) - at
        )
        assert made.token_ids == tuple(said)
        assert made.text == trace.text
        proven([made], model)
    (made,) = fork(model, trace, 4, text="é", tokens=3)
    assert made.token_ids[3:6] == (0xE4, 0xC3, 0xA9)
    assert made.text.startswith("añ�é")


# --- what was read is read once


class Spy(KVBatch):
    read_tokens = 0

    def _answer(self, token_ids, keep):
        Spy.read_tokens += sum(map(len, token_ids))
        return super()._answer(token_ids, keep)


@pytest.fixture
def net(monkeypatch) -> HFModel:
    monkeypatch.setattr("explorer.core.models.KVBatch", Spy)
    return HFModel.from_parts(tiny_llama(), NumberTokenizer())


def read_by(action) -> int:
    before = Spy.read_tokens
    action()
    return Spy.read_tokens - before


def test_a_prefix_is_read_once_for_all_forks_of_it(net) -> None:
    prompt = list(range(1, 61))
    (trace,) = generate(net, prompt, ["ancestral"], max_new_tokens=30)
    plain = read_by(lambda: fork(net, trace, 20, count=5, tokens=4))
    assert plain == 60 + 20 + 5 * 3
    cache = PrefixCache()
    model = cache.wrap(net)
    made = []
    first = read_by(lambda: made.extend(fork(model, trace, 20, token_id=9, tokens=4)))
    second = read_by(lambda: made.extend(fork(model, trace, 20, token_id=30, tokens=4)))
    later = read_by(lambda: made.extend(fork(model, trace, 25, token_id=8, tokens=4)))
    assert (first, second, later) == (80 + 3, 3, 5 + 3)
    assert [t.token_ids for t in made[:1]] == [
        t.token_ids for t in fork(net, trace, 20, token_id=9, tokens=4)
    ]
    proven(made, net)


def test_a_fork_before_or_beside_what_was_read_reads_what_is_new(net) -> None:
    """A point earlier in the same lane costs one token, another lane those it does not share."""
    prompt = list(range(1, 61))
    traces = generate(net, prompt, ["ancestral", "top_k:k=3"], max_new_tokens=30)
    parted = next(i for i in range(30) if traces[0].token_ids[i] != traces[1].token_ids[i])
    model = PrefixCache().wrap(net)
    made: list[Trace] = []

    def read(trace: Trace, at: int) -> int:
        return read_by(lambda: made.extend(fork(model, trace, at, token_id=9, tokens=4)))

    assert read(traces[0], 20) == 80 + 3
    assert read(traces[0], 12) == 1 + 3
    assert read(traces[0], 12) == 0 + 3
    assert read(traces[1], 25) == 25 - parted + 3
    proven(made, net)
    plain = [(0, 20), (0, 12), (0, 12), (1, 25)]
    for one, (lane, at) in zip(made, plain, strict=True):
        (wanted,) = fork(net, traces[lane], at, token_id=9, tokens=4)
        assert one.token_ids == wanted.token_ids


def test_a_cache_that_cannot_be_cut_is_used_whole_or_not_at_all(monkeypatch) -> None:
    monkeypatch.setattr("explorer.core.models.KVBatch", Spy)
    net = HFModel.from_parts(tiny_mistral(), NumberTokenizer())
    model = PrefixCache().wrap(net)
    prompt = list(range(1, 31))
    (trace,) = generate(net, prompt, ["ancestral"], max_new_tokens=20)
    made = []
    reads = [
        read_by(lambda at=at: made.extend(fork(model, trace, at, token_id=9, tokens=4)))
        for at in (10, 15, 5)
    ]
    assert reads == [40 + 3, 5 + 3, 35 + 3]
    proven(made, net)


def test_a_kept_prefix_keeps_no_model_in_memory() -> None:
    llama, cache = tiny_llama(), PrefixCache()
    net = HFModel.from_parts(llama, NumberTokenizer())
    generate(cache.wrap(net), [3, 5, 6], max_new_tokens=2)
    digest, there = net.info.digest, weakref.ref(llama)
    assert cache.find(digest, (3, 5, 6)) is not None
    del llama, net
    gc.collect()
    assert there() is None


def test_kept_prefixes_are_few_and_can_be_forgotten(net) -> None:
    cache = PrefixCache(kept=2)
    model = cache.wrap(net)
    for start in (1, 2, 3):
        generate(model, [start, 5, 6], max_new_tokens=2)
    assert read_by(lambda: generate(model, [1, 5, 6], max_new_tokens=2)) == 4
    assert read_by(lambda: generate(model, [3, 5, 6], max_new_tokens=2)) == 1
    cache.clear()
    assert read_by(lambda: generate(model, [3, 5, 6], max_new_tokens=2)) == 4
    small = PrefixCache(max_bytes=1).wrap(net)
    for _ in range(2):
        assert read_by(lambda: generate(small, [3, 5, 6], max_new_tokens=2)) == 4
    scripted = ScriptedModel(hashed_script(VOCAB))
    assert cache.wrap(scripted) is scripted


def test_hidden_states_go_on_behind_a_kept_prefix(net) -> None:
    model = PrefixCache().wrap(net)
    (trace,) = generate(model, [3, 5, 6, 9], ["contrastive_search:k=3"], max_new_tokens=12)
    made = fork(model, trace, 5, text="7 8", tokens=6)
    assert made[0].token_ids[5:7] == (7, 8)
    proven(made, net)


# --- the tree


def grown(model, trace) -> tuple[Tree, tuple[Trace, ...]]:
    tree = Tree().with_roots([trace])
    forks = fork(model, trace, 6, count=2)
    tree = tree.with_forks("b1", 6, forks)
    (deeper,) = fork(model, forks[0], 9, token_id=4)
    return tree.with_forks("b2", 9, [deeper]), (trace, *forks, deeper)


def test_a_tree_keeps_what_was_there(model, trace) -> None:
    tree, traces = grown(model, trace)
    assert [b.trace for b in tree.branches] == list(traces)
    assert [(b.id, b.parent, b.at) for b in tree.branches] == [
        ("b1", None, 0), ("b2", "b1", 6), ("b3", "b1", 6), ("b4", "b2", 9),
    ]  # fmt: skip
    assert [b.id for b in tree.path("b4")] == ["b1", "b2", "b4"]
    assert [b.id for b in tree.below("b2")] == ["b2", "b4"]
    assert [b.id for b in tree.children("b1")] == ["b2", "b3"]
    assert tree["b4"].name == "'c' at 9"
    named = tree.renamed("b3", "the calm one").annotated("b3", "look at token 9")
    assert (named["b3"].name, named["b3"].note) == ("the calm one", "look at token 9")
    assert [row["id"] for row in tree.outline()] == ["b1", "b2", "b3", "b4"]


def test_undo_brings_back_and_redo_takes_again(model, trace) -> None:
    tree, _ = grown(model, trace)
    history = History()
    history.do(tree)
    history.do(history.tree.pruned("b2"))
    assert [b.id for b in history.tree.branches] == ["b1", "b3"]
    assert [b.id for b in history.undo().branches] == ["b1", "b2", "b3", "b4"]
    assert [b.id for b in history.redo().branches] == ["b1", "b3"]
    assert not history.can_redo
    history.undo()
    history.undo()
    assert history.tree.branches == ()
    assert not history.can_undo
    assert history.undo().branches == ()
    history.do(history.tree.with_roots([trace]))
    assert [b.id for b in history.tree.branches] == ["b5"]  # b1 to b4 were somebody's names
    assert not history.can_redo


def test_a_tree_is_saved_and_read_as_it_was(tmp_path, model, trace) -> None:
    tree, _ = grown(model, trace)
    tree = tree.annotated("b2", 'é "\n').renamed("b4", "=the calm one").pruned("b3")
    path = tmp_path / "tree.jsonl"
    write_traces(path, tree.traces())
    again = regrown(read_traces(path))
    assert [b.id for b in again.branches] == ["b1", "b2", "b3"]  # ids anew
    assert [b.parent for b in again.branches] == [None, "b1", "b2"]
    for old, new in zip(tree.branches, again.branches, strict=True):
        assert (old.at, old.trace, old.name, old.note) == (new.at, new.trace, new.name, new.note)
    assert [b.id for b in regrown(read_traces(path), made=7).branches] == ["b8", "b9", "b10"]
    for found in verify_file(path, model):
        assert found.agrees
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join(lines + lines), "utf-8")  # joined files stay two trees
    assert [b.parent for b in regrown(read_traces(path)).branches] == [
        None, "b1", "b2", None, "b4", "b5",
    ]  # fmt: skip
    path.write_text(lines[2], "utf-8")  # a branch alone keeps its name
    (alone,) = regrown(read_traces(path)).branches
    assert (alone.parent, alone.name) == (None, "=the calm one")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parent": "b1", "at": 99}, "no token 99"),
        ({"parent": "b2"}, "does not begin as"),
        ({"parent": None, "name": "x" * 300}, "too long"),
    ],
)
def test_a_damaged_tree_is_refused(model, trace, change, message) -> None:
    traces = list(grown(model, trace)[0].traces())
    (other,) = generate(model, "abc", ["greedy"], max_new_tokens=9)
    traces[3] = replace(other, branch=replace(traces[3].branch, **change))
    with pytest.raises(TraceFormatError, match=message) as caught:
        regrown(traces)
    assert "'b4'" in caught.value.message


def test_a_tree_takes_only_what_begins_as_it_should(model, trace) -> None:
    tree = Tree().with_roots([trace])
    (other,) = generate(model, "abc", ["greedy"], max_new_tokens=9)
    with pytest.raises(InvalidParams, match="does not begin as"):
        tree.with_forks("b1", 6, [other])
    with pytest.raises(InvalidParams, match="no branch 'b7'"):
        tree.with_forks("b7", 6, [other])
    with pytest.raises(InvalidParams, match="at most 1,000"):
        tree.with_roots([trace] * MAX_BRANCHES)
    with pytest.raises(InvalidParams, match="too long"):
        tree.renamed("b1", "x" * 300)
    for edit in (tree.renamed, tree.annotated):  # no file could hold it
        with pytest.raises(InvalidParams, match="half of a character"):
            edit("b1", "a\ud800")


EDITS = st.lists(st.sampled_from(["grow", "name", "prune", "undo", "redo"]), max_size=12)


@given(EDITS, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=40)
def test_any_order_of_edits_can_be_undone(edits, random) -> None:
    (trace,) = generate(ScriptedModel(hashed_script(VOCAB)), "a", ["greedy"], max_new_tokens=2)
    history, states = History(Tree().with_roots([trace])), []
    for edit in edits:
        ids = [b.id for b in history.tree.branches]
        before = history.tree
        if edit == "grow" and ids:
            history.do(before.with_forks(random.choice(ids), 1, [trace]))
        elif edit == "name" and ids:
            history.do(before.renamed(random.choice(ids), str(random.random())))
        elif edit == "prune" and ids:
            history.do(before.pruned(random.choice(ids)))
        elif edit == "undo":
            history.undo()
            continue
        elif edit == "redo":
            history.redo()
            continue
        if history.tree != before:
            states.append(before.branches)
            assert history.undo().branches == before.branches
            history.redo()
    for branch in history.tree.branches:
        assert branch.parent is None or branch.parent in {b.id for b in history.tree.branches}


def test_no_capacity_is_said_before_anything_runs(model, trace) -> None:
    with pytest.raises(NotCapable):
        fork_runs(model, trace, 3, [Way()], ForkOptions(10_000))
