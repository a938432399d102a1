"""What a container prints: its beginning and its end in bounded memory."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from automl_agent.sandboxes.docker.output import HEAD_BYTES, TAIL_BYTES, Output, Stream

KEPT_BYTES = HEAD_BYTES + TAIL_BYTES
# Pieces of a few bytes and of more than all that is kept.
pieces = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from([0, 1, 7, 16_384, 65_536, 300_000])),
    max_size=30,
)


def fill(chunks: list[bytes]) -> Stream:
    stream = Stream()
    for chunk in chunks:
        stream.add(chunk)
    return stream


@given(pieces)
def test_the_head_a_mark_and_the_tail_are_kept_however_it_comes(
    parts: list[tuple[str, int]],
) -> None:
    chunks = [letter.encode() * n for letter, n in parts]
    whole = b"".join(chunks)
    n_dropped = len(whole) - KEPT_BYTES
    expected = whole.decode()
    if n_dropped > 0:
        mark = f"\n[... {n_dropped} bytes dropped ...]\n"
        expected = expected[:HEAD_BYTES] + mark + expected[-TAIL_BYTES:]
    stream = fill(chunks)
    assert stream.text() == expected
    assert stream.n_bytes == len(whole)


@given(st.binary(max_size=200))
def test_any_bytes_become_text_with_escapes(content: bytes) -> None:
    assert fill([content]).text() == content.decode("utf-8", "backslashreplace")


def test_a_flood_takes_no_more_memory_than_is_kept() -> None:
    stream = Stream()
    tracemalloc.start()
    for _ in range(20_000):
        stream.add(bytes(4096))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert stream.n_bytes == 20_000 * 4096
    # What is kept, one piece more, and Python's own objects for some fifty pieces.
    assert peak < KEPT_BYTES + 64 * 2**10


def test_the_tail_of_both_streams_has_errors_last() -> None:
    output = Output()
    output.stderr.add(b"error")
    output.stdout.add(b"normal")
    assert output.tail(100) == "normalerror"
    assert output.tail(3) == "ror"
    assert output.n_bytes == 11
