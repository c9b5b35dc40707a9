"""Where a plan goes: its file, the screen, and reports for others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.cli.files import check_place, write_private, write_public
from planner.errors import PlannerError, WrongUsage
from planner.views.render import ENDINGS, render

if TYPE_CHECKING:
    from pathlib import Path

    from planner.views import View
    from planner.views.report import Report


class Outputs:
    """The files of one run; made before anything is read, since a name that cannot be used is known then.

    Args:
        out: the plan file.
        reports: report files, each with one of the `ENDINGS`.
        reads: a file that is read in the same run, and must not be written over.

    Raises:
        WrongUsage: one file is named twice.
        PlannerError: one of them cannot be written.
    """

    def __init__(self, out: Path | None, reports: tuple[Path, ...], reads: Path | None = None) -> None:
        self._out = out
        self._reports = reports
        files = [*reports, out] if out else list(reports)
        named = [*files, reads] if reads else files
        if len({file.resolve() for file in named}) < len(named):
            raise WrongUsage(
                "One file is named twice",
                where=", ".join(map(str, named)),
                next="give each --report, and --out, a name of its own",
            )
        check_place(files)

    @property
    def saved(self) -> str | None:
        """The plan file's name."""
        return str(self._out) if self._out else None

    @property
    def names(self) -> tuple[str, ...]:
        """The reports' names."""
        return tuple(map(str, self._reports))

    def write(self, view: View, report: Report) -> None:
        """Write the plan file, show the plan, then write the reports: all that can be written.

        Raises:
            PlannerError: the first that could not be written.
        """
        if self._out is not None:
            from planner.codec import document_of, document_text
            from planner.signing import signed

            write_private(self._out, document_text(signed(document_of(report.plan), report.key)))
        view.report(report)
        failures = []
        for path in self._reports:
            try:
                write_public(path, render(report, ENDINGS[path.suffix]))
            except PlannerError as failure:
                failures.append(failure)
            else:
                view.info(f"Report written to {path}")
        if failures:
            raise failures[0]
