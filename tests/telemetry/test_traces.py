"""Traces within a process: what goes on with what, and what never gets into a span."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from transfer_service.errors import NotFound
from transfer_service.telemetry import traces
from transfer_service.threads import offload

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
REPOSITORY = Path(__file__).parents[2]


class Kept(SpanProcessor):
    """Keeps what has ended."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


@pytest.fixture
def kept() -> Iterator[Kept]:
    processor = Kept()
    traces.begin(processor)
    yield processor
    traces.begin(None)


def trace_of(span: ReadableSpan) -> str:
    assert span.context is not None
    return format(span.context.trace_id, "032x")


def test_steps_belong_to_the_trace_that_the_client_has_begun(kept: Kept) -> None:
    trace = traces.begin_trace("request", kind="SERVER", parent=PARENT, state="a=b")
    assert trace is not None
    with traces.step("database write", db__system__name="sqlite"):
        offload(lambda: traces.step("store write").__enter__())
    told = traces.present_trace()
    trace.end(name="GET /", http__response__status_code=200)
    step, request = kept.spans
    assert (trace_of(step), trace_of(request), trace.trace_id) == (TRACE, TRACE, TRACE)
    assert request.parent is not None
    assert format(request.parent.span_id, "016x") == SPAN
    assert request.context is not None
    assert told == f"00-{TRACE}-{request.context.span_id:016x}-01"
    assert (step.attributes or {})["db.system.name"] == "sqlite"
    assert traces.present_trace() is None


@pytest.mark.parametrize("parent", [
    "", "x", PARENT[:-1], PARENT.upper(), PARENT + "-more", PARENT.replace(TRACE, "0" * 32),
    PARENT.replace(SPAN, "0" * 16),
    "ff" + PARENT[2:], f"{PARENT},{PARENT}", PARENT + "\n", "00-" + "é" * 32 + "-" + SPAN + "-01", "9" * 100_000,
])  # fmt: skip
def test_a_malformed_parent_is_as_if_it_were_not_there(kept: Kept, parent: str) -> None:
    trace = traces.begin_trace("request", parent=parent, state="a=b")
    assert trace is not None
    trace.end()
    assert kept.spans[0].parent is None
    assert trace.trace_id not in {TRACE, "0" * 32}


@pytest.mark.parametrize("state", ["=" * 100, "a" * 600, "a=b," * 200, "a=\x00", "é=é", ",,,"])
def test_a_malformed_state_does_not_break_the_trace(kept: Kept, state: str) -> None:
    trace = traces.begin_trace("request", parent=PARENT, state=state)
    assert trace is not None
    trace.end()
    assert trace_of(kept.spans[0]) == TRACE
    assert kept.spans[0].context is not None
    assert len(kept.spans[0].context.trace_state.to_header()) <= traces.MOST_STATE_CHARACTERS


def test_a_failure_is_told_by_its_kind_and_no_word_of_it(kept: Kept) -> None:
    with pytest.raises(NotFound), traces.Traced("job download"), traces.step("store open"):
        raise NotFound("secret.txt is gone")
    assert [dict(span.attributes or {}) for span in kept.spans] == [{"error.type": "NotFound"}] * 2
    assert not any(span.events for span in kept.spans)
    assert "secret" not in "".join(span.to_json() for span in kept.spans)


def test_what_is_not_sampled_has_no_steps_and_goes_on_unsampled(kept: Kept) -> None:
    trace = traces.begin_trace("request", parent=PARENT[:-1] + "0")
    assert trace is not None
    with traces.step("store open"):
        told = traces.present_trace()
    trace.end()
    assert kept.spans == []
    assert told is not None
    assert re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-00", told)


@pytest.mark.parametrize(("ratio", "spans"), [("0", 0), ("1", 1)])
def test_the_sampler_is_the_one_that_the_variables_say(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, ratio: str, spans: int
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", ratio)
    traces.begin(kept)
    for parent in ("", PARENT):
        trace = traces.begin_trace("request", parent=parent)
        assert trace is not None
        assert (trace.trace_id == TRACE) == bool(parent)
        trace.end()
    assert len(kept.spans) == 2 * spans


def test_the_next_trace_of_a_connection_knows_nothing_of_one_that_was_not_ended(kept: Kept) -> None:
    first = traces.begin_trace("request", parent=PARENT)
    second = traces.begin_trace("request")
    assert first is not None
    assert second is not None
    second.end()
    first.end()
    assert trace_of(kept.spans[0]) == second.trace_id != TRACE
    assert len(kept.spans) == 2


def test_requests_of_the_app_say_nothing_of_names_queries_or_tokens(app: Flask, kept: Kept) -> None:
    client = app.test_client()
    headers = {"traceparent": PARENT, "Authorization": "Bearer zq-token"}
    for path in ("/api/files/zq-name", "/s/zq-token", "/nothing/zq?signature=zq-signature"):
        client.get(path, headers=headers)
    assert kept.spans
    assert {trace_of(span) for span in kept.spans} == {TRACE}
    assert "zq" not in "".join(span.to_json() for span in kept.spans)


def test_without_traces_nothing_is_loaded() -> None:
    program = "import sys; from transfer_service.telemetry import traces; traces.begin_traces(None)\n"
    program += (
        "with traces.step('a'), traces.Traced('b'): print(traces.present_trace(), 'opentelemetry' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert result.stdout == "None False\n"
