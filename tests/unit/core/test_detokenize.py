from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from explorer.core.detokenize import display_piece, is_partial, text_of
from explorer.core.types import StopReason
from explorer.core.watchers import LoopWatcher, StopStringWatcher


class Bytes:
    """A tokenizer whose token i is the byte i; 256 is an end mark."""

    def token_bytes(self, token_id: int) -> bytes:
        return b"<|end|>" if token_id == 256 else bytes([token_id])

    def is_special(self, token_id: int) -> bool:
        return token_id == 256


@given(st.binary(max_size=60))
def test_the_text_is_the_decoded_bytes_whatever_they_are(data: bytes) -> None:
    assert text_of(Bytes(), [*data, 256]) == data.decode("utf-8", errors="replace")


@given(st.text(max_size=40))
def test_whole_text_is_shown_as_it_is(text: str) -> None:
    data = text.encode("utf-8", errors="surrogatepass")
    if not is_partial(data):
        assert display_piece(data) == text


def test_broken_bytes_are_spelled_out_and_nothing_else_is_touched() -> None:
    assert display_piece(b"ab\xe4\xbdcd\xff") == "ab⟨E4⟩⟨BD⟩cd⟨FF⟩"
    assert is_partial(b"\xe4")
    assert not is_partial("ä".encode())


def test_a_stop_string_is_found_across_tokens_and_inside_characters() -> None:
    watcher = StopStringWatcher(Bytes(), ("né", "END"))
    said = [watcher.push(byte) for byte in "rené".encode()]
    assert said == [None, None, None, None, StopReason.STOP_STRING]
    twin = StopStringWatcher(Bytes(), ("END",))
    for byte in b"xEN":
        twin.push(byte)
    other = twin.copy()
    assert twin.push(ord("D")) is StopReason.STOP_STRING
    assert other.push(ord("x")) is None
    assert other.push(256) is None


def test_a_loop_watcher_stops_at_the_threshold() -> None:
    watcher = LoopWatcher()
    assert [watcher.push(1) for _ in range(48)] == [None] * 47 + [StopReason.LOOP]
    fresh = LoopWatcher()
    for _ in range(47):
        fresh.push(1)
    assert fresh.copy().push(2) is None
