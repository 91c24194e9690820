"""Making changes at Twilio, a number at a time; what Twilio answers is compared with what was wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from console.provisioning.failures import told
from console.provisioning.plan import DIVERSIONS, Change, shown
from oncall.notices.channels import ChannelFailed
from webhooks.rest.account import RestAccount


@dataclass
class Outcome:
    """`done` and `untried` hold numbers in E.164; `failed` says why of the others."""

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    untried: list[str] = field(default_factory=list)


def change_all(
    account: RestAccount,
    changes: Sequence[Change],
    before: Callable[[Sequence[Change]], None],
    after: Callable[[Sequence[Change]], None],
    failed: Callable[[Sequence[Change], str], None],
) -> Outcome:
    """Make these changes, all of a number in one request: Twilio refuses a fallback without its primary.

    `before` is called before each number's request, and what it raises keeps the number as it is; `after`
    when the number is as it should be, else `failed` with why. A failure that is not about the number alone
    ends the work: the others are untried.
    """
    outcome = Outcome()
    numbers = list(dict.fromkeys(each.number for each in changes))
    for place, number in enumerate(numbers):
        its = [each for each in changes if each.number == number]
        before(its)
        why, alone = _change(account, its)
        if why is None:
            outcome.done.append(number)
            after(its)
            continue
        outcome.failed[number] = why
        failed(its, why)
        if not alone:
            outcome.untried = numbers[place + 1 :]
            break
    return outcome


def _change(account: RestAccount, its: Sequence[Change]) -> tuple[str | None, bool]:
    """Why the number is not as it should be, None if it is; and whether the others may be tried."""
    try:
        now = account.change_number(its[0].sid, {each.attribute: each.after for each in its}).addresses
    except ChannelFailed as error:
        return told(error), error.for_good
    kept = [each for each in its if now[each.attribute] != each.after]
    if not kept:
        return None, True
    if kept[0].attribute in DIVERSIONS and not kept[0].after:
        what = DIVERSIONS[kept[0].attribute]
        return (
            f"Twilio has left {what} on it ({now[kept[0].attribute]}): take it off in Twilio's console",
            True,
        )
    names = ", ".join(f"{each.attribute} as {shown(now[each.attribute]) or 'empty'}" for each in kept)
    return f"Twilio has kept {names}", True
