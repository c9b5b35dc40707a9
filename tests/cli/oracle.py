"""Judges what runs of `planner reconcile` have left behind. The nodes themselves are asked, and the store.

After every run, when no process lives and no late effect is to come any more:

1.  **Nothing unnamed.** The last change of every cell was somebody else's; or it was ours, and then the cell
    is as the last transaction that finished with it says (as planned where it was applied, as before where
    the step was undone); or `planner status` names the cell: an open cell of the unfinished transaction. To
    be watched is no excuse: the faults are within the assumptions.
2.  **What a transaction says holds.** Every cell that this run did (or undid) is as planned (or as before),
    unless somebody else has changed it during the run, or it is named.
3.  **Exit 0 is the file.** Every cell that the file declares is as declared, unless somebody else has changed
    it after the last read of it that was answered truly. What only we have ever changed, and the file does
    not declare, is gone.
4.  **The exit code is true.** 0 and 3: nothing is unfinished; 4: something is; 1, 2, 5, 6, 7, 130 and a death
    by SIGTERM: no cell was changed by us, but for what was brought back of an unfinished transaction. Only
    who was killed is dead, and `status --check` says 4 if and only if something is unfinished.
5.  **Intent first.** No write went to a cell that is no step of a transaction in the store, nor to a foreign
    group; and none where the file made no sense, but for what brings an unfinished transaction back.

Where two runs overlapped, or one began before the late effects of a dead one had come, it cannot be told
whose a change or a read was: 3 forgives every change by somebody else during these runs, and of 4 only the
last sentence is judged. Where the file was replaced during a run, the cluster may be equal to either one.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from planner.model import Cell
from planner.simulator import SimulatedCluster
from tests.cli.conftest import Ended, Shop
from tests.cli.forks import Forks
from tests.cli.machines import LONG
from tests.cli.witness import Witness

Wish = dict[Cell, bool]
"""The cells that a file declares: whether they are to be present."""

CHANGED_NOTHING = frozenset({1, 2, 5, 6, 7, 130, -signal.SIGTERM})
DEAD = frozenset({-signal.SIGKILL, -signal.SIGTERM})


class Ran(NamedTuple):
    """A run that has ended, the signals that it was sent, and its command."""

    ended: Ended
    signals: frozenset[int]
    command: str


@dataclass(slots=True)
class Oracle:
    """Knows what every transaction was to leave.

    Attributes:
        wishes: of the files, the newest last.
        broken: whether the file makes no sense now.
        foreign: groups that no file ever names.
    """

    cluster: SimulatedCluster
    forks: Forks
    shop: Shop
    witness: Witness
    foreign: frozenset[str]
    wishes: list[Wish] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    broken: bool = False
    _outcomes: Wish = field(default_factory=dict)
    _steps: set[Cell] = field(default_factory=set)
    _named: set[Cell] = field(default_factory=set)
    _last: int = 0
    _unfinished: int | None = None
    _began: int = 0
    _file: int = 0

    def begins(self, *, broken: bool = False) -> None:
        """A run is about to begin; where the file is `broken`, it may not send one write."""
        self._began, self._file = self.witness.moment, len(self.wishes)
        self.broken = broken

    def judge(self, ran: list[Ran]) -> None:
        """See that everything is as the module says.

        Raises:
            AssertionError: it is not; the story of the cell, and what the runs said, stand beside it.
        """
        try:
            self._judge(ran)
        except AssertionError as error:
            for each in ran:
                said = f"{each.ended.out}{each.ended.err}"
                error.add_note(f"exit {each.ended.code}, {set(each.signals)}\n{said}")
            raise

    def see_the_end(self) -> None:
        """The cluster is the newest file; nothing is left to do, and nothing is named any more."""
        status = self._ask("status")
        assert (status["unfinished"], status["set_aside"], status["holder"]) == (None, [], None)
        for cell, present in self.wishes[-1].items():
            assert self._is_present(cell) is present, self.witness.story(cell)
        ended = self.forks.run(self.shop, "plan", "--detailed-exitcode")
        assert ended.code == 0, ended.out
        assert 0 in self.codes

    # One by one.

    def _judge(self, ran: list[Ran]) -> None:
        self.cluster.wait_settled(LONG)
        self.codes += [each.ended.code for each in ran]
        if self.forks.run(self.shop, "status").code == 1 and not self._last:  # nothing was ever begun
            assert not self.witness.written()
            return
        status = self._status()
        unfinished = status["unfinished"]
        named = {Cell(cell["group"], cell["node"]) for cell in unfinished["cells"]} if unfinished else set()
        before, open_before, begun = self._unfinished, self._named, self._learn(status)
        self._named = named
        self._see_nothing_unnamed()
        self._see_transactions_hold(
            {cell for number in begun for cell in self._outcomes_of(number)} | open_before
        )
        together = len(ran) > 1
        if not together:
            self._see_code(ran[0], before, begun)
        if any((each.command, each.ended.code) == ("reconcile", 0) for each in ran):
            self._see_the_file(certain=together)
        for each in ran:
            assert each.ended.code in (0, 3, 4, *CHANGED_NOTHING, *(-number for number in each.signals))
        check = self.forks.run(self.shop, "status", "--check").code
        assert check == (4 if unfinished else 0)
        self._see_intents({each.ended.code for each in ran}, open_before, begun)

    def _learn(self, status: Any) -> list[int]:
        """Take in what became of the unfinished transaction, and of those that were begun.

        Returns:
            The numbers of the latter.
        """
        last = status["last"]["number"] if status["last"] else 0
        begun = list(range(self._last + 1, last + 1))
        for number in [*([self._unfinished] if self._unfinished else []), *begun]:
            for cell, outcome in self._outcomes_of(number).items():
                self._outcomes[cell] = outcome
        self._last = last
        self._unfinished = status["unfinished"]["transaction"]["number"] if status["unfinished"] else None
        return begun

    def _outcomes_of(self, number: int) -> Wish:
        shown = self._ask("show", str(number))
        done = "done" if shown["state"] == "applied" else "undone"
        outcomes = {}
        for step in shown["steps"]:
            cell = Cell(step["group"], step["node"])
            self._steps.add(cell)
            if step["state"] == done:
                outcomes[cell] = (step["action"] == "create") is (done == "done")
        return outcomes

    def _see_nothing_unnamed(self) -> None:
        for cell, change in dict(self.witness.changes).items():
            if change.ours and cell not in self._named:
                wanted = self._outcomes.get(cell)
                assert wanted is change.present, f"unnamed, and to be {wanted}: {self.witness.story(cell)}"

    def _see_transactions_hold(self, cells: set[Cell]) -> None:
        """`cells` were done or undone by this run, or are still named."""
        for cell in cells - self._named:
            if cell in self._outcomes and self.witness.drifts.get(cell, 0) <= self._began:
                wanted = self._outcomes[cell]
                assert self._is_present(cell) is wanted, f"not {wanted}: {self.witness.story(cell)}"

    def _see_the_file(self, *, certain: bool) -> None:
        assert not self._named or certain
        wishes = self.wishes[self._file - 1 :]
        failures = [
            [cell for cell in self._cells() if not self._is_as_wished(cell, wish, certain=certain)]
            for wish in wishes
        ]
        stories = [self.witness.story(cell) for cells in failures for cell in cells]
        assert [] in failures, "\n".join(["not as in the file", *stories])

    def _is_as_wished(self, cell: Cell, wish: Wish, *, certain: bool) -> bool:
        drift = self.witness.drifts.get(cell, 0)
        if drift > (self._began if certain else self.witness.reads.get(cell, 0)):
            return True
        if cell in wish:
            return self._is_present(cell) is wish[cell]
        ours = cell in self.witness.changes and not drift
        return not ours or not self._is_present(cell)

    def _see_code(self, ran: Ran, before: int | None, begun: list[int]) -> None:
        code = ran.ended.code
        if code in (0, 3):
            assert self._unfinished is None
        if code == 4:
            assert self._unfinished is not None
        if code in CHANGED_NOTHING:
            mine = {
                cell
                for cell, change in self.witness.changes.items()
                if change.ours and change.moment > self._began
            }
            brought_back = set(self._outcomes_of(before)) if before else set()
            assert mine <= brought_back, f"exit {code}, and it changed {mine - brought_back}"
        if code in CHANGED_NOTHING - {130}:
            assert not begun

    def _see_intents(self, codes: set[int], open_before: set[Cell], begun: list[int]) -> None:
        written = set(self.witness.written())
        strangers = {cell for cell in written if cell not in self._steps or cell.group in self.foreign}
        assert not strangers, "\n".join(["written without an intent", *map(self.witness.story, strangers)])
        if self.broken:
            assert not begun
            assert written <= open_before
            assert codes - DEAD <= {1, 4, 130}

    # What there is.

    def _cells(self) -> list[Cell]:
        groups = {cell.group for wish in self.wishes for cell in wish} | self.foreign
        return [Cell(group, node) for group in sorted(groups) for node in self.cluster.names]

    def _is_present(self, cell: Cell) -> bool:
        return cell.group in self.cluster.groups()[cell.node]

    def _status(self) -> Any:
        """What the store says when nobody holds the lock: PostgreSQL notices a moment late who is dead."""
        status = self._ask("status")
        for _ in range(LONG):
            if status["holder"] is None:
                return status
            status = self._ask("status")
        raise AssertionError(f"the lock stays with the dead: {status['holder']}")

    def _ask(self, *arguments: str) -> Any:
        ended = self.forks.run(self.shop, *arguments, "--format", "json")
        assert ended.code == 0, ended.err
        return ended.json
