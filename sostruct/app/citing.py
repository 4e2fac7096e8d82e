"""The `sostruct-cite` command: BibTeX of what was used in runs, ready for a paper's bibliography."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sostruct.app.reporting import refusing

_DESCRIPTION = """\
Print the BibTeX of what was used in a run, a sweep, or all runs below a folder: the method, the tasks and the parts of
the growth rules that their settings name, sostruct itself, and the libraries it stands on; for sweeps also the
statistics of their reports. Sorted by key, each entry once.

  sostruct-cite results/growth_rules/sweep > used.bib"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the console script."""
    parser = argparse.ArgumentParser(
        "sostruct-cite",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="a sweep, a run, or a folder of these")
    given = parser.parse_args(arguments)
    refusing("sostruct-cite", lambda: _cite(given.folder))


def _cite(folder: Path) -> None:
    from sostruct.reports.citations import citations

    found = citations(folder)
    sys.stdout.write(found.bibtex)
    if found.unknown:
        sys.stderr.write(
            f"sostruct-cite: no reference is known for {', '.join(found.unknown)}: they are not part of sostruct.\n"
        )


if __name__ == "__main__":
    main()
