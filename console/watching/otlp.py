"""Sends spans to a collector by OTLP over HTTP, as OpenTelemetry's own libraries do. Loaded only where a
collector is configured; whoever calls it has all the time in the world.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit

import requests
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from console.watching.tracing import Send, Span

# Seconds for a request, with the tries that follow it.
PATIENCE = 10.0
TRACES = "/v1/traces"
SERVICE = "after-hours-ivr"


def address_of(collector: str) -> str:
    """Where spans go: a collector's address without a path means its usual place for them."""
    return collector if urlsplit(collector).path.strip("/") else collector.rstrip("/") + TRACES


def sender(collector: str, part: str, node: str, patience: float = PATIENCE) -> Send:
    """What sends spans to a collector. `part` and `node` say whose they are."""
    session = requests.Session()
    # Nobody but the configuration names the address.
    session.max_redirects = 0
    exporter = OTLPSpanExporter(address_of(collector), timeout=patience, session=session)
    ids, kept = _Ids(), _Kept()
    resource = {
        "service.name": SERVICE,
        "service.version": _version(),
        "service.instance.id": f"{node}/{part}",
    }
    # It would wait for the collector when the process ends: nobody is to.
    provider = TracerProvider(
        resource=Resource(resource), sampler=ALWAYS_ON, id_generator=ids, shutdown_on_exit=False
    )
    provider.add_span_processor(kept)
    tracer = provider.get_tracer(SERVICE)

    def send(spans: Sequence[Span]) -> bool:
        kept.spans.clear()
        for each in spans:
            ids.trace, ids.span = each.trace, each.span
            made = tracer.start_span(
                each.name,
                context=_below(each),
                kind=SpanKind.INTERNAL if part == "work" else SpanKind.SERVER,
                attributes=each.attributes,
                start_time=each.began,
            )
            if each.failed:
                made.set_status(Status(StatusCode.ERROR))
            made.end(each.ended)
        return bool(exporter.export(list(kept.spans)) is SpanExportResult.SUCCESS)

    return send


def _below(span: Span) -> Context:
    """The first of a trace stands alone, the others hang from it."""
    if not span.parent:
        return Context()
    first = SpanContext(span.trace, span.parent, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return set_span_in_context(NonRecordingSpan(first), Context())


class _Ids(IdGenerator):  # type: ignore[misc]
    """The ids that the span in hand has; a random one where any will do."""

    def __init__(self) -> None:
        self.trace, self.span = 0, 0
        self._random = RandomIdGenerator()

    def generate_trace_id(self) -> int:
        return self.trace

    def generate_span_id(self) -> int:
        return self.span or int(self._random.generate_span_id())


class _Kept(SpanProcessor):  # type: ignore[misc]
    """Keeps the spans that have ended."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


def _version() -> str:
    try:
        return version(SERVICE)
    except PackageNotFoundError:
        return "unknown"
