"""One target under atheris: ``python -m tests.fuzz TARGET [options of libFuzzer] [folders]``.

Inputs that reach new code are kept in the first folder; what breaks the target goes to where
``-artifact_prefix=`` says. Put it into ``tests/fuzz/corpus/TARGET``, so that the tests keep it.
"""

from __future__ import annotations

import contextlib
import io
import sys

try:
    import atheris
except ImportError:
    sys.exit(
        "error: atheris is not installed; it is built for Linux on x86-64, and `make fuzz` installs it there"
    )

# It names every module that it instruments: two hundred lines, of which nobody needs one.
with (
    contextlib.redirect_stderr(io.StringIO()),
    atheris.instrument_imports(include=["planner", "dotenv", "yaml"]),
):
    from tests.fuzz.targets import LONGEST, TARGETS


def main() -> None:
    """Fuzz until a limit of libFuzzer is met, such as ``-max_total_time=60`` or ``-runs=1000``."""
    name, *options = sys.argv[1:] or [""]
    if name not in TARGETS:
        sys.exit(f"usage: python -m tests.fuzz {{{','.join(TARGETS)}}} [options of libFuzzer] [folders]")
    atheris.Setup([sys.argv[0], f"-max_len={LONGEST}", "-timeout=20", *options], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
