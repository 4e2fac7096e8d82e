"""What to cite for a set of runs: the parts their settings name, looked up in `references.bib`.

The registry is one BibTeX file at the root of the package; the field `keywords` of an entry says what it belongs to.
sostruct itself comes from CITATION.cff, with the versions that the runs recorded.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import sostruct
from sostruct.errors import RunError
from sostruct.reports.sweep.index import run_folders
from sostruct.reports.sweep.jobs import CONFIG, ENVIRONMENT, is_sweep
from sostruct.reports.tables import json_object, read_file, settings_of

ALWAYS: Final = "always"
SWEEP: Final = "sweep"
METHOD: Final = "networks.LaggedNetwork"
"""The network of every run whose settings name no other."""

_GROUPS: Final = ("task", "growth", "network")
_ENTRY: Final = re.compile(r"^@(\w+)\{([^,\s]+),\n(.*?)^\}$", re.MULTILINE | re.DOTALL)
_KEYWORDS: Final = re.compile(r"^\s*keywords\s*=\s*\{([^}]*)\},?\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Reference:
    """An entry of the registry: its key, its BibTeX without keywords, and what it belongs to."""

    key: str
    bibtex: str
    keywords: frozenset[str]


@dataclass(frozen=True, slots=True)
class Citations:
    """What to cite.

    Attributes:
        bibtex: the entries, sorted by key, each once.
        unknown: classes outside sostruct that the runs used; whoever wrote them knows what to cite.
        runs: number of runs read.
    """

    bibtex: str
    unknown: tuple[str, ...]
    runs: int


def registry() -> tuple[Reference, ...]:
    """Every entry of `references.bib`, in its order."""
    source = (_package() / "references.bib").read_text(encoding="utf-8")
    found = []
    for kind, key, body in _ENTRY.findall(source):
        listed = _KEYWORDS.search(body)
        keywords = frozenset(word.strip() for word in listed.group(1).split(",")) if listed else frozenset()
        found.append(Reference(key, f"@{kind}{{{key},\n{_KEYWORDS.sub('', body)}}}", keywords))
    return tuple(found)


def citations(folder: Path) -> Citations:
    """The BibTeX of what was used in a run, a sweep, or everything below a folder.

    Raises:
        RunError: there is no run, or a file is damaged; the message names it.
    """
    runs = list(run_folders(folder))
    if not runs:
        raise RunError(
            f"Cannot cite what was used in {str(folder)!r}. This is because there is no run. Try the folder of a run "
            "or sweep, or results/."
        )
    used, unknown, versions = {ALWAYS}, set(), set()
    if folder not in runs and any(is_sweep(run.parent) for run in runs):
        used.add(SWEEP)
    for run in runs:
        settings = read_file(run / CONFIG, settings_of)
        parts = {part for group in _GROUPS for part in _parts(settings.get(group))}
        used |= {part for part in parts if not part.startswith("?")} | ({METHOD} if _usual(settings) else set())
        unknown |= {part[1:] for part in parts if part.startswith("?")}
        if (run / ENVIRONMENT).is_file():
            recorded = read_file(run / ENVIRONMENT, json_object).get("versions")
            versions.add(str(recorded.get("sostruct")) if isinstance(recorded, Mapping) else "None")
    chosen = {one.key: one.bibtex for one in registry() if one.keywords & used}
    chosen["sostruct"] = _own(sorted(versions - {"None"}))
    text = "\n\n".join(chosen[key] for key in sorted(chosen))
    return Citations(text + "\n", tuple(sorted(unknown)), len(runs))


def _usual(settings: Mapping[str, Any]) -> bool:
    network = settings.get("network")
    return not (isinstance(network, Mapping) and network.get("_target_"))


def _parts(node: Any) -> Iterator[str]:
    """Every class that settings name, as room.Class; with a "?" before it where it is not of sostruct."""
    if isinstance(node, Mapping):
        target = node.get("_target_")
        if isinstance(target, str):
            pieces = target.split(".")
            if pieces[0] != "sostruct" or len(pieces) < 3:
                yield f"?{target}"
            elif pieces[-1] != "Every" or node.get("epochs", 1) != 1:  # "after each epoch" is nobody's idea
                yield f"{pieces[1]}.{pieces[-1]}"
        for value in node.values():
            yield from _parts(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _parts(value)


def _package() -> Path:
    return Path(str(sostruct.__file__)).parent


def _own(versions: list[str]) -> str:
    """sostruct's entry, from CITATION.cff: in the package when it is installed, beside it in a checkout."""
    package = _package()
    inside = package / "CITATION.cff"
    about = read_file(inside if inside.is_file() else package.parent / "CITATION.cff", settings_of)
    authors = " and ".join(_author(author) for author in about.get("authors", []))
    shown = " and ".join(versions) or str(about.get("version", sostruct.__version__))
    fields = {"author": authors, "title": f"{{{about.get('title', 'sostruct')}}}", "note": f"Version {shown}"}
    for field, source in (("doi", "doi"), ("url", "url"), ("url", "repository-code")):
        if about.get(source):
            fields.setdefault(field, str(about[source]))
    if about.get("date-released"):
        fields["year"] = str(about["date-released"])[:4]
    return "@misc{sostruct,\n" + "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items()) + "}"


def _author(author: Mapping[str, Any]) -> str:
    """A person as "family, given", a group in braces, as BibTeX wants it."""
    if author.get("family-names"):
        return ", ".join(str(author[part]) for part in ("family-names", "given-names") if author.get(part))
    return f"{{{author.get('name', 'The sostruct developers')}}}"
