"""The night that other tests look at is as its docstring says."""

from __future__ import annotations

from nights import night
from visitors import Console

from console.house import state_folder
from ivr import journal
from oncall.cases import cases


def test_the_night(console: Console) -> None:
    played = night(console)
    at = console.clock.now()
    with console.house.database.read() as connection:
        outcomes = [call.outcome for call in reversed(journal.recent(connection))]
        assert outcomes == ["connected", "not-covered", "no-contract", "nobody-answered"]
        talked = cases.find(connection, played.connected.case)
        waits = cases.find(connection, played.unanswered.case)
        assert all(call.started <= at for call in journal.recent(connection))
        (message,) = journal.messages_of(connection, played.unanswered.sid)
    assert (talked.urgency, talked.closed_at, waits.urgency, waits.connected_at) == ("P1+", None, "P2", None)
    assert talked.connected_at is not None
    sound = (state_folder(console.house.configuration) / "messages" / str(message.file)).read_bytes()
    assert (message.recording, sound[:2], len(sound)) == (played.message, b"\xff\xf3", 80064)
