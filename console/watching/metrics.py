"""The metrics: what each is called and means, in one list, which docs/watching.md repeats.

What the database knows is asked of it when somebody asks us: it is right after a restart, and the same at
whichever node is asked. What only the processes of this machine know they have written down
(`console.watching.keeping`). No label names a person, a customer or a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["gauge", "counter", "histogram"]


@dataclass(frozen=True)
class Metric:
    """`shared`: every node that shares the database tells the same; else each node tells of itself."""

    name: str
    kind: Kind
    about: str
    labels: tuple[str, ...] = ()
    shared: bool = True


def _own(name: str, kind: Kind, about: str, *labels: str) -> Metric:
    return Metric(name, kind, about, labels, shared=False)


METRICS = (
    _own("ivr_build_info", "gauge", "Always 1; the label tells which release serves here.", "version"),
    _own(
        "ivr_database_up",
        "gauge",
        "1 if the database answered just now, else 0: then calls are served from the snapshot, and what "
        "only the database knows is missing below.",
    ),
    # -- calls
    Metric(
        "ivr_calls_past_day",
        "gauge",
        "Calls that began in the last 24 hours, by outcome; `under-way` for those that have none yet.",
        ("outcome",),
    ),
    Metric("ivr_calls_under_way", "gauge", "Callers on the line now."),
    _own(
        "ivr_turn_duration_seconds",
        "histogram",
        "Seconds in which a turn was answered, at the door, the slow hash of a PIN included. `door`: "
        "caller, technician, placed (a call that we placed), text; `by`: database or standby.",
        "door",
        "by",
    ),
    _own(
        "ivr_requests_refused_total",
        "counter",
        "Requests at the webhook door that were refused, by reason.",
        "reason",
    ),
    _own(
        "ivr_requests_failed_total", "counter", "Requests at the webhook door that failed: a fault of ours."
    ),
    # -- PINs
    _own(
        "ivr_pin_checks_total",
        "counter",
        "Complete PINs that were keyed, by lane and result: right, unknown, revoked, expired, not-"
        "evaluated, unchecked (too many at once: he was asked again).",
        "lane",
        "result",
    ),
    Metric(
        "ivr_pin_misses_past_day",
        "gauge",
        "PINs that opened nothing in the last 24 hours, by lane.",
        ("lane",),
    ),
    Metric(
        "ivr_pin_budget_left",
        "gauge",
        "Evaluated misses left before only known numbers are checked, of the last hour and of the last day.",
        ("span",),
    ),
    Metric(
        "ivr_wake_ups_left",
        "gauge",
        "Technicians who may still be woken within this hour for callers without a verified PIN.",
    ),
    # -- cases
    Metric("ivr_cases_open", "gauge", "Open cases, by the urgency that counts now.", ("urgency",)),
    Metric("ivr_case_oldest_seconds", "gauge", "Age of the oldest open case of each urgency.", ("urgency",)),
    Metric(
        "ivr_cases_waiting", "gauge", "Open cases that nobody has taken in charge, by urgency.", ("urgency",)
    ),
    Metric(
        "ivr_cases_overdue",
        "gauge",
        "Open cases that nobody has taken in charge within their time, by urgency.",
        ("urgency",),
    ),
    Metric(
        "ivr_first_ring_seconds",
        "gauge",
        "From the urgency key to the first ring of a technician's phone, over the cases of the last 24 "
        "hours: `stat` is median, p95 or max.",
        ("stat",),
    ),
    Metric(
        "ivr_acceptance_seconds",
        "gauge",
        "From the urgency key to the acceptance, over the cases of the last 24 hours: `stat` is median, p95"
        " or max.",
        ("stat",),
    ),
    # -- people
    Metric("ivr_people_on_duty", "gauge", "People on the ladder of each rota now.", ("rota",)),
    Metric(
        "ivr_notice_sends_past_day",
        "gauge",
        "Tries to bring notices in the last 24 hours, by channel and state.",
        ("channel", "state"),
    ),
    Metric(
        "ivr_notices_given_up_past_day", "gauge", "Notices of the last 24 hours that nothing could bring."
    ),
    Metric(
        "ivr_alarms_past_day",
        "gauge",
        "Alarms raised in the last 24 hours, by what they are about.",
        ("what",),
    ),
    Metric("ivr_alarms_untold", "gauge", "Alarms that have not reached the admins yet."),
    # -- work
    Metric("ivr_due_work_pending", "gauge", "Pieces of work that are due and not done."),
    Metric(
        "ivr_due_work_lateness_seconds",
        "gauge",
        "For how long the oldest piece of work has been due that nobody is at.",
    ),
    _own(
        "ivr_worker_last_tick_timestamp_seconds",
        "gauge",
        "When the worker of this node last ended a tick, as a Unix time.",
    ),
    # -- what keeps it safe
    _own(
        "ivr_snapshot_age_seconds",
        "gauge",
        "Age of this node's snapshot, from which calls are served without the database; +Inf if there is "
        "none.",
    ),
    Metric(
        "ivr_stand_in_published",
        "gauge",
        "1 if the document is published that Twilio serves when nothing of ours answers.",
    ),
    Metric(
        "ivr_stand_in_valid_seconds",
        "gauge",
        "For how long that document still knows who is on duty; negative if it no longer does.",
    ),
    _own(
        "ivr_backup_age_seconds",
        "gauge",
        "Age of the newest daily backup of this node; +Inf if there is none, missing if none is configured.",
    ),
    Metric(
        "ivr_certificate_expiry_timestamp_seconds",
        "gauge",
        "When the certificate of the public address ends, as a Unix time; looked at twice a day.",
    ),
    _own(
        "ivr_heartbeat_last_success_timestamp_seconds",
        "gauge",
        "When the heartbeat's address last said that it heard us, as a Unix time; missing if none is "
        "configured.",
    ),
    _own("ivr_heartbeat_failures_total", "counter", "Heartbeats that could not be sent."),
    _own(
        "ivr_spans_dropped_total",
        "counter",
        "Spans of traces that no collector took; see `[watching] otlp`.",
    ),
)
BY_NAME = {metric.name: metric for metric in METRICS}


def table() -> str:
    """The list as Markdown, for docs/watching.md."""
    lines = ["| metric | kind | labels | of | what it says |", "|---|---|---|---|---|"]
    for each in METRICS:
        labels = ", ".join(f"`{label}`" for label in each.labels)
        whose = "all nodes" if each.shared else "this node"
        lines.append(f"| `{each.name}` | {each.kind} | {labels} | {whose} | {each.about} |")
    return "\n".join(lines) + "\n"
