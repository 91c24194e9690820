"""`ivr twilio provision`"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from console.commands.common import Context, Refused, json_option, print_json, table
from console.provisioning import advice, memory
from console.provisioning.changing import Outcome, change_all
from console.provisioning.failures import told
from console.provisioning.plan import Change, make_plan, shown
from oncall.notices.channels import ChannelFailed
from storage import audit
from webhooks.rest.account import HostedNumber, RestAccount

NEEDED = ("service.public_url", "twilio.account_sid", "twilio.auth_tokens")
NOT_YET = "nothing is changed yet: give --yes"


@click.command()
@click.option("--yes", is_flag=True, help="Change it without asking.")
@click.option("--take-over", is_flag=True, help="Take off applications and trunks that have our numbers.")
@click.option("--undo", is_flag=True, help="Put back what stood there before the first change.")
@click.option("--force", is_flag=True, help="With --undo: also what somebody else has changed since.")
@click.option("--number", "only", multiple=True, metavar="E164", help="Only this one of ours; repeatable.")
@json_option
@click.pass_obj
def provision(
    context: Context,
    yes: bool,
    take_over: bool,
    undo: bool,
    force: bool,
    only: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make our numbers at Twilio lead to us: shows what would change, and changes it with --yes."""
    if (undo and take_over) or (force and not undo):
        raise click.UsageError("--take-over is for setting up, --force for --undo")
    run = _Run(context, yes, as_json)
    if undo:
        run.undo(only, force)
    else:
        run.provision(only, take_over)


class _Run:
    """One run of the command. What it says goes to standard output, unless that is for a JSON document."""

    def __init__(self, context: Context, yes: bool, as_json: bool) -> None:
        self._context, self._yes, self._as_json = context, yes, as_json
        self._configuration = context.configuration
        missing = [each for each in self._configuration.missing_for_calls() if each in NEEDED]
        if missing:
            raise Refused(f"{', '.join(missing)}: missing, and needed at Twilio")
        if not self._configuration.service.public_url.startswith("https://"):
            raise Refused("service.public_url must begin with https://: callers' PINs come to it")
        self._account = RestAccount(self._configuration.twilio)
        self._sid = self._configuration.twilio.account_sid

    def provision(self, only: Sequence[str], take_over: bool) -> None:
        unknown = [each for each in only if each not in self._configuration.our_numbers]
        if unknown:
            raise Refused(f"{', '.join(unknown)}: not a number of the configuration")
        with self._context.reading() as connection:
            address = memory.fallback_address(connection)
        hosted, lines = self._asked()
        plan = make_plan(self._configuration, hosted, address, take_over=take_over, only=only)
        if plan.refused:
            raise Refused("; ".join(plan.refused))
        lines += advice.about_fallback(self._configuration, address)
        lines += advice.about_countries(self._configuration, self._account)
        others = [each.number for each in plan.others]
        if others:
            lines.insert(0, f"left alone, for the configuration has not: {', '.join(others)}")
        outcome = self._carry_out(plan.changes, lines, "nothing to change", self._remember)
        self._end(plan.changes, lines, outcome)

    def undo(self, only: Sequence[str], force: bool) -> None:
        hosted, _ = self._asked()
        with self._context.reading() as connection:
            found = memory.restoring(connection, self._sid, hosted, only)
        if found.foreign and not force:
            why = "; ".join(found.foreign)
            raise Refused(f"changed by somebody else since, --force puts it back all the same: {why}")
        lines = [f"{each} is no longer in the account" for each in found.gone]
        outcome = self._carry_out(found.changes, lines, "nothing to undo", self._record_undo)
        if outcome is not None:
            failed = {*outcome.failed, *outcome.untried}
            unsettled = {each.sid for each in found.changes if each.number in failed}
            settled = [each for each in found.remembered if each not in unsettled]
            with self._context.writing() as connection:
                memory.forget(connection, self._context.at, settled)
        self._end(found.changes, lines, outcome)

    def _asked(self) -> tuple[list[HostedNumber], list[str]]:
        """The account's numbers, and what is to be said of the account. Raises Refused."""
        try:
            facts = self._account.facts()
            if facts.status != "active":
                raise Refused(f"the account is {facts.status}: look at Twilio's console")
            return self._account.numbers(), advice.about_account(facts)
        except ChannelFailed as failed:
            raise Refused(f"nothing is changed, Twilio could not be asked: {told(failed)}") from None

    def _carry_out(
        self,
        changes: Sequence[Change],
        lines: Sequence[str],
        nothing: str,
        before: Callable[[Sequence[Change]], None],
    ) -> Outcome | None:
        """What was done; None if it is not to be done, or not yet."""
        if not self._as_json:
            self._show(changes, lines)
        if not changes:
            self._say(nothing)
            return Outcome()
        if self._yes or self._agreed():
            return change_all(self._account, changes, before, self._said_done, self._record_failure)
        return None

    def _agreed(self) -> bool:
        if self._as_json or not _somebody_is_there():
            self._say(NOT_YET)
            return False
        agreed = click.confirm("Change this at Twilio?", err=True)
        if not agreed:
            self._say("nothing is changed")
        return agreed

    def _end(self, changes: Sequence[Change], lines: Sequence[str], outcome: Outcome | None) -> None:
        """The JSON document if one is wanted. Raises Refused if anything failed."""
        done = outcome or Outcome()
        if self._as_json:
            print_json(
                {
                    "changes": [_document(each) for each in changes],
                    "changed": done.done,
                    "failed": [{"number": number, "why": why} for number, why in done.failed.items()],
                    "untried": done.untried,
                    "notes": list(lines),
                }
            )
        if done.failed:
            parts = [f"{number} is not as it should be: {why}" for number, why in done.failed.items()]
            parts += [f"not tried: {', '.join(done.untried)}"] if done.untried else []
            raise Refused("; ".join([*parts, "run it again to finish"]))

    # -- written down --------------------------------------------------------------------------

    def _remember(self, its: Sequence[Change]) -> None:
        """Before a number is changed."""
        at, actor = self._context.at, self._context.actor
        with self._context.writing() as connection:
            memory.remember(connection, at, self._sid, its)
            audit.record(connection, actor, at, "twilio.provision", _subject(its), details=_details(its))

    def _record_undo(self, its: Sequence[Change]) -> None:
        at, actor = self._context.at, self._context.actor
        with self._context.writing() as connection:
            audit.record(connection, actor, at, "twilio.undo", _subject(its), details=_details(its))

    def _record_failure(self, its: Sequence[Change], why: str) -> None:
        at, actor = self._context.at, self._context.actor
        with self._context.writing() as connection:
            audit.record(connection, actor, at, "twilio.fail", _subject(its), reason=why)

    # -- said ----------------------------------------------------------------------------------

    def _said_done(self, its: Sequence[Change]) -> None:
        self._say(f"{its[0].number} is changed")

    def _say(self, text: str) -> None:
        if not self._as_json:
            click.echo(text)

    def _show(self, changes: Sequence[Change], lines: Sequence[str]) -> None:
        names = {each.number: each.name for each in self._configuration.number}
        for number in dict.fromkeys(each.number for each in changes):
            click.echo(f"{number}  {names.get(number, '')}".rstrip())
            its = [each for each in changes if each.number == number]
            rows = [("", each.attribute, _cell(each.before), _cell(each.after), each.why) for each in its]
            table(rows, ("", "what", "now", "will be", "why"))
            click.echo()
        for line in lines:
            click.echo(f"note: {line}")


def _somebody_is_there() -> bool:
    return sys.stdin.isatty()


def _cell(value: str) -> str:
    return shown(value) or "–"


def _subject(its: Sequence[Change]) -> str:
    return f"number:{its[0].number}"


def _details(its: Sequence[Change]) -> dict[str, Any]:
    """Pairs of what it was and what it becomes."""
    return {each.attribute: [shown(each.before), shown(each.after)] for each in its}


def _document(change: Change) -> dict[str, str]:
    return {
        "number": change.number,
        "sid": change.sid,
        "attribute": change.attribute,
        "from": shown(change.before),
        "to": shown(change.after),
        "why": change.why,
    }
