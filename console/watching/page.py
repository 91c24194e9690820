"""`GET /metrics`: for this machine, and for whoever brings the token. Nobody logs in for it."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from datetime import datetime
from ipaddress import ip_address

from flask import Flask, Response, g, request
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.core import (
    Metric as Family,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from console.house import House
from console.watching.metrics import METRICS, Metric
from console.watching.reading import Sample, read
from ivr.tally import EDGES

# What a proxy adds: then whoever asks is somewhere else, however near the proxy is.
_FORWARDED = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via")
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def metrics_page(app: Flask, house: House) -> None:
    """Put it at /metrics of the console. `g.at` is the instant of the request."""

    @app.get("/metrics")
    def metrics() -> Response:
        token = house.configuration.watching.metrics_token.get_secret_value()
        if not (_brings(token) or (not house.configuration.console.address and _from_here())):
            return Response("Forbidden\n", status=403, mimetype="text/plain")
        return Response(exposition(house, g.at), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def exposition(house: House, at: datetime) -> bytes:
    """All metrics at `at`, in the text that Prometheus reads."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Read(house, at))
    return generate_latest(registry)


class _Read(Collector):
    def __init__(self, house: House, at: datetime) -> None:
        self._house, self._at = house, at

    def collect(self) -> Iterable[Family]:
        samples = read(self._house, self._at)
        return [_family(metric, samples.get(metric.name, ())) for metric in METRICS if metric.name in samples]


def _family(metric: Metric, samples: Iterable[Sample]) -> Family:
    if metric.kind == "histogram":
        spans = HistogramMetricFamily(metric.name, metric.about, labels=metric.labels)
        for labels, span in samples:
            *classes, seconds = span
            edges = [*(str(edge) for edge in EDGES), "+Inf"]
            summed = [sum(classes[: place + 1]) for place in range(len(edges))]
            spans.add_metric(labels, list(zip(edges, summed, strict=True)), seconds)
        return spans
    make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = make(metric.name, metric.about, labels=metric.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family


def _brings(token: str) -> bool:
    given = request.headers.get("Authorization", "")
    scheme, _, brought = given.partition(" ")
    return (
        bool(token) and scheme.lower() == "bearer" and hmac.compare_digest(brought.encode(), token.encode())
    )


def _from_here() -> bool:
    """Whether this machine asks, by a name of this machine, and nobody stands between. Of use only where no
    address stands in the configuration: a proxy on this machine may say nothing of whom it asks for.
    """
    if any(name in request.headers for name in _FORWARDED):
        return False
    name = request.host if request.host.endswith("]") else request.host.rpartition(":")[0] or request.host
    try:
        return name.lower() in _LOOPBACK and ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False
