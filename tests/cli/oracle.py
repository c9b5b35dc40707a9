"""Judges what runs of `planner reconcile` have left behind. The nodes themselves are asked, and the store.

After every run, when no process lives and no late effect is to come any more:

1.  **Nothing unnamed.** The last change of every cell was somebody else's, or it was ours, and then the cell is as
    the last transaction that wrote it says (as planned where it was applied, as before where it was reversed),
    or `planner status` names the cell: an open cell of the unfinished transaction. To be watched is no excuse: the
    faults are within the assumptions.
2.  **What a transaction says holds.** Every cell that a transaction of this run planned and did (undid) is as
    planned (as before), unless somebody else has changed it during the run, or it is named.
3.  **Exit 0 is the file.** Every cell that the file declares is as declared, unless somebody else has changed it
    after the last read of it that was answered truly. What we created, nobody else ever touched, and the file
    asks for no more, is gone.
4.  **The exit code is true.** 0 and 3: nothing is unfinished; 4: something is; 1, 2, 5, 6, 7, 130 and a death by
    SIGTERM: no cell was changed by us, but for what was brought back of an unfinished transaction. Dead is only
    who was killed, and `status --check` says 4 if and only if something is unfinished.
5.  **Intent first.** No write went to a cell that is no step of a transaction in the store; nor to a foreign group.

Where two runs overlapped, or the file changed during the run, 3 is judged by what is certain, and 4 by
`status --check` alone.
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


class Ran(NamedTuple):
    """A run that has ended, and the signals that it was sent."""

    ended: Ended
    signals: frozenset[int]


@dataclass(slots=True)
class Oracle:
    """Knows what every transaction was to leave.

    Attributes:
        wishes: of the files, the newest last.
        foreign: groups that no file ever names.
    """

    cluster: SimulatedCluster
    forks: Forks
    shop: Shop
    witness: Witness
    foreign: frozenset[str]
    wishes: list[Wish] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    _outcomes: Wish = field(default_factory=dict)
    _steps: set[Cell] = field(default_factory=set)
    _last: int = 0
    _unfinished: int | None = None
    _began: int = 0
    _file: int = 0

    def begins(self) -> None:
        """A run is about to begin."""
        self._began, self._file = self.witness.moment, len(self.wishes)

    def judge(self, ran: list[Ran]) -> None:
        """See that everything is as the module says.

        Raises:
            AssertionError: it is not; the story of the cell, and what the runs said, stand beside it.
        """
        try:
            self._judge(ran)
        except AssertionError as error:
            for each in ran:
                error.add_note(f"exit {each.ended.code}, {set(each.signals)}\n{each.ended.out}{each.ended.err}")
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
        status = self._ask("status")
        unfinished = status["unfinished"]
        named = {Cell(cell["group"], cell["node"]) for cell in unfinished["cells"]} if unfinished else set()
        before, begun = self._unfinished, self._learn(status)
        self._see_nothing_unnamed(named)
        self._see_transactions_hold([*([before] if before else []), *begun], named)
        overlapping = len(ran) > 1
        if not overlapping:
            self._see_code(ran[0], before, begun)
        if 0 in (each.ended.code for each in ran):
            self._see_the_file(named, certain=overlapping)
        for each in ran:
            assert each.ended.code in (0, 3, 4, *CHANGED_NOTHING, *(-number for number in each.signals))
        check = self.forks.run(self.shop, "status", "--check").code
        assert check == (4 if unfinished else 0)
        self._see_intents()

    def _learn(self, status: Any) -> list[int]:
        """Take in what became of the unfinished transaction and of those that were begun; return the latter."""
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
        done = {"applied": "done", "reversed": "undone"}.get(shown["state"])
        outcomes = {}
        for step in shown["steps"]:
            cell = Cell(step["group"], step["node"])
            self._steps.add(cell)
            if step["state"] == done:
                outcomes[cell] = (step["action"] == "create") is (done == "done")
        return outcomes

    def _see_nothing_unnamed(self, named: set[Cell]) -> None:
        for cell, change in dict(self.witness.changes).items():
            if change.ours and cell not in named:
                wanted = self._outcomes.get(cell)
                assert wanted is change.present, f"unnamed, and to be {wanted}: {self.witness.story(cell)}"

    def _see_transactions_hold(self, numbers: list[int], named: set[Cell]) -> None:
        for cell in {cell for number in numbers for cell in self._outcomes_of(number)} - named:
            if self.witness.drifts.get(cell, 0) <= self._began:
                wanted = self._outcomes[cell]
                assert self._is_present(cell) is wanted, f"not {wanted}: {self.witness.story(cell)}"

    def _see_the_file(self, named: set[Cell], *, certain: bool) -> None:
        assert not named or certain
        failures = []
        for wish in {id(wish): wish for wish in self.wishes[self._file - 1 :]}.values():
            failures.append([cell for cell in self._cells() if not self._is_as_wished(cell, wish, certain=certain)])
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
            mine = {cell for cell, change in self.witness.changes.items() if change.ours and change.moment > self._began}
            brought_back = set(self._outcomes_of(before)) if before else set()
            assert mine <= brought_back, f"exit {code}, and it changed {mine - brought_back}"
        if code in CHANGED_NOTHING - {130}:
            assert not begun

    def _see_intents(self) -> None:
        written = set(self.witness.written())
        strangers = {cell for cell in written if cell not in self._steps or cell.group in self.foreign}
        assert not strangers, "\n".join(["written without an intent", *map(self.witness.story, strangers)])

    # What there is.

    def _cells(self) -> list[Cell]:
        groups = {cell.group for wish in self.wishes for cell in wish} | self.foreign
        return [Cell(group, node) for group in sorted(groups) for node in self.cluster.names]

    def _is_present(self, cell: Cell) -> bool:
        return cell.group in self.cluster.groups()[cell.node]

    def _ask(self, *arguments: str) -> Any:
        ended = self.forks.run(self.shop, *arguments, "--format", "json")
        assert ended.code == 0, ended.err
        return ended.json
