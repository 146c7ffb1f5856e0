import itertools

from hypothesis import given
from hypothesis import strategies as st

from fer_live.realtime.report.spans import Span, Spans

PIECES = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 40), st.integers(0, 4)), max_size=60)
"""Gap before, length, state; in hundredths of a second."""


def spans_of(pieces: list[tuple[int, int, int]]) -> Spans:
    spans, now = Spans(), 0
    for gap, length, state in pieces:
        spans.add((now + gap) / 100, (now + gap + length) / 100, state)
        now += gap + length
    return spans


@given(PIECES)
def test_what_was_added_is_what_is_there(pieces: list[tuple[int, int, int]]) -> None:
    painted: dict[int, int] = {}
    now = 0
    for gap, length, state in pieces:
        painted |= dict.fromkeys(range(now + gap, now + gap + length), state)
        now += gap + length
    found: dict[int, int] = {}
    spans = list(spans_of(pieces))
    for span in spans:
        cells = range(round(100 * span.start_s), round(100 * span.end_s))
        assert not found.keys() & set(cells), "two spans overlap"
        found |= dict.fromkeys(cells, span.state)
    assert found == painted
    pairs = itertools.pairwise(spans)
    assert all(a.state != b.state or b.start_s > a.end_s for a, b in pairs), "neighbours that could be one"


@given(PIECES, st.sampled_from([0.05, 0.2, 1.0, 7.0]))
def test_coarse_spans_are_few_and_keep_the_ends(pieces: list[tuple[int, int, int]], step_s: float) -> None:
    fine = spans_of(pieces)
    coarse = list(fine.coarsened(step_s))
    begun = [int(span.start_s // step_s) for span in coarse]
    assert len(set(begun)) == len(begun)
    assert all(a.end_s <= b.start_s + 1e-9 for a, b in itertools.pairwise(coarse))
    whole = list(fine)
    if whole:
        assert (coarse[0].start_s, coarse[-1].end_s) == (whole[0].start_s, whole[-1].end_s)
    again = Spans()
    for span in coarse:
        again.add(span.start_s, span.end_s, span.state)
    assert list(again.coarsened(step_s)) == coarse


def test_the_state_that_lasts_longest_wins() -> None:
    spans = Spans()
    for start_s, end_s, state in ((0.0, 0.2, 1), (0.2, 0.3, 2), (0.3, 0.5, 1), (1.0, 1.4, 3)):
        spans.add(start_s, end_s, state)
    assert list(spans.coarsened(1.0)) == [Span(0.0, 0.5, 1), Span(1.0, 1.4, 3)]
