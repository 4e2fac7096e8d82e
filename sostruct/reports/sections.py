"""The parts of a report page, in the order a reader wants them.

First what was found, then why to believe it (surprise, evidence, what was refused), then what is needed to judge and
repeat it. Each function turns the tables of a run into one piece of HTML; drawings are handed in.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import networkx as nx
import pandas as pd

from sostruct.reports import facts
from sostruct.reports.graph_figure import MOST_LABELED
from sostruct.reports.lag_figure import MOST_REPEATED
from sostruct.reports.links import Comparison, Verdict
from sostruct.reports.markup import (
    Html,
    details,
    edit_text,
    figure,
    fixed,
    join,
    number,
    pairs,
    paragraph,
    section,
    table,
    tag,
    text,
    variable,
)
from sostruct.reports.selection import select
from sostruct.reports.surprise_figure import KINDS, totals
from sostruct.reports.tables import RunTables
from sostruct.reports.typography import DASH

STRONGEST: Final = 25
REFUSED: Final = 12

_MARKS: Final = {
    Verdict.HIT: "blue",
    Verdict.OTHER_LAG: "green",
    Verdict.FALSE: "vermilion",
    Verdict.MISSED: "amber",
}


def headline(tables: RunTables, compared: Comparison) -> Html:
    """Task, finding, provenance and the numbers everyone looks for."""
    task = facts.task_facts(tables)
    pieces = [paragraph("sostruct run report", class_="kicker"), tag("h1", text(facts.task_name(tables)))]
    if task.get("description"):
        pieces.append(paragraph(task["description"], class_="lede"))
    pieces += [paragraph(facts.finding(compared), class_="finding")]
    pieces += [provenance_note(tables), _numbers(tables, compared)]
    return tag("header", join(pieces))


def provenance_note(tables: RunTables) -> Html:
    """Where the data come from, and a caution where they were simulated or nobody says."""
    origin, stated = facts.provenance(tables), facts.simulated(tables)
    if stated:
        lead = "Simulated data."
        rest = f"A program generated these series, so nothing here is a finding about the world. {origin}".rstrip()
    elif stated is None:
        lead, rest = "Origin not recorded.", "This run does not say whether its data were measured or simulated."
    else:
        lead, rest = "Data.", origin or "Measured; the source is not recorded."
    kind = "note" if stated is False else "note caution"
    return tag("p", join((tag("strong", text(lead)), text(rest)), " "), class_=kind)


def _numbers(tables: RunTables, compared: Comparison) -> Html:
    entries: dict[str, Html] = {}
    for name, title in (("f1", "F1"), ("auroc", "AUROC"), ("shd", "SHD")):
        value = facts.metric(tables, name)
        if tables.truth is not None and value is not None:
            entries[title] = number(value) if name == "shd" else fixed(value, 3)
    entries["links"] = number(len(compared.found))
    entries["variables"] = number(len(compared.names))
    if "rows" in tables.metrics:
        entries["rows"] = number(tables.metrics["rows"])
    entries["epochs"] = number(int(tables.signals["epoch"].nunique()))
    entries["edits accepted"] = number(int(tables.journal["accepted"].sum()))
    return pairs(entries, "numbers")


def graph_section(compared: Comparison, found: Html, truth: Html | None) -> Html:
    """The found graph, and the truth beside it when there is one."""
    chosen = select(compared)
    caption = [
        "Arrows point from cause to effect and carry their lag in time steps; their width grows with the evidence."
    ]
    caption.append(
        "The border of a disc is a variable's dependence on its own past, at lag 1 unless it says otherwise."
    )
    if sum(not link.own_past for link in chosen.found) > MOST_LABELED:
        caption.append("Lags are left out here for the number of arrows; they are in the table of evidence.")
    if truth is None:
        caption.append("No true graph is known for these data; color is the sign of the weight.")
    elif not compared.strict:
        caption.append("The true system has no lags of its own, so only pairs are compared.")
    if chosen.note:
        caption.append(f"Shown: {chosen.note}.")
    drawings = [("" if truth is None else "Found", found)]
    if truth is not None:
        drawings.append(("Truth", truth))
    return section("The graph", figure(drawings, " ".join(caption), "single" if truth is None else "double"))


def lags_section(graph: nx.Graph, drawing: Html) -> Html:
    """The found graph by steps of time."""
    caption = (
        "Series from top to bottom, steps of time from left to right. Every edge ends now, in the last column, and "
        "begins as many steps earlier as its lag."
    )
    if graph.number_of_edges() <= MOST_REPEATED:
        caption += " Faint: the same edges, one or more steps earlier."
    return section("The graph in time", figure([("", drawing)], caption, "single"))


def surprise_section(tables: RunTables, drawing: Html) -> Html:
    """How surprise fell and which edits did it."""
    frame = totals(facts.observed_signals(tables))
    caption = "Total surprise of the data under the graph of each epoch; lower is better. "
    if len(frame) > 1:
        first, last = float(frame["surprise"].iloc[0]), float(frame["surprise"].iloc[-1])
        caption += f"It went from {fixed(first, 1)} to {fixed(last, 1)} nats. "
    caption += (
        "The shaded band is what the best proposals promised to remove; where it is closed, no known edit would make "
        f"the graph better. Edits are made between epochs; accepted in all: {kinds_in(tables.journal)}."
    )
    return section("Surprise, epoch by epoch", figure([("", drawing)], caption, "long"))


def evidence_section(tables: RunTables, compared: Comparison, drawing: Html) -> Html:
    """Evidence for every pair, and the strongest edges in numbers."""
    caption = (
        "Every ordered pair of variables, all lags together. Below zero, the data speak against a link: its cost in "
        "complexity is more than the surprise it removes."
    )
    both = join((figure([("", drawing)], caption, "plain"), _strongest(tables, compared)))
    return section("The evidence", tag("div", both, class_="side"))


def _strongest(tables: RunTables, compared: Comparison) -> Html:
    edges = tables.edges.sort_values("nats", ascending=False, kind="stable").head(STRONGEST)
    if edges.empty:
        return paragraph("No edge was accepted.")
    columns = [("cause", "name"), ("effect", "name"), ("lag", "number"), ("weight ± sd", "number"), ("nats", "number")]
    columns += [("probability", "number")] + ([("truth", "")] if compared.true is not None else [])
    top = max((float(nats) for nats in edges["nats"] if math.isfinite(nats)), default=1.0) or 1.0
    curved = "function" in edges and bool((edges["function"] != "line").any())
    if curved:
        columns.insert(3, ("as", ""))
    rows = [[*_edge_cells(edge, top, curved), *_verdict_cell(edge, compared)] for edge in edges.to_dict("records")]
    title = (
        "The edges" if len(tables.edges) <= STRONGEST else f"The {STRONGEST} strongest of {len(tables.edges):,} edges"
    )
    return table(columns, rows, f"{title}, by evidence")


def _edge_cells(edge: Mapping[Any, Any], top: float, curved: bool) -> list[Html]:
    weight, spread, nats = float(edge["weight"]), float(edge["weight_sd"]), float(edge["nats"])
    scale = max(abs(weight), 1e-300)
    places = min(6, max(0, 2 - math.floor(math.log10(scale)))) if math.isfinite(weight) and weight else 3
    sure = tag("span", join((text("±"), fixed(spread, places)), " "), class_="spread")
    share = 0.0 if math.isnan(nats) else max(0.0, min(1.0, nats / top))
    bar = tag("span", fixed(nats, 1), class_="bar", style=f"--share: {100 * share:.1f}%")
    probability = float(edge["probability"])
    shown = text("> 0.999") if probability > 0.9995 else fixed(probability, 3)
    return [
        variable(edge["cause"]),
        variable(edge["effect"]),
        number(int(edge["lag"])),
        *([text(str(edge["function"]))] if curved else []),
        join((fixed(weight, places, sign=True), sure), " "),
        bar,
        shown,
    ]


def _verdict_cell(edge: Mapping[Any, Any], compared: Comparison) -> list[Html]:
    """What the truth says about an edge; no cell at all when no truth is known."""
    if compared.true is None:
        return []
    verdict = compared.verdict(str(edge["cause"]), str(edge["effect"]), int(edge["lag"]))
    word = "other lag" if verdict is Verdict.OTHER_LAG else verdict.value
    return [tag("span", text(word), class_="verdict", style=f"--mark: var(--{_MARKS[verdict]})")]


def refused_section(tables: RunTables) -> Html:
    """The proposals that came closest without being accepted."""
    chosen = closest_refused(tables.journal)
    if chosen.empty:
        return section("Refused, but close", paragraph("The journal records no refused proposal."))
    lead = (
        "What the graph would change next, if evidence were cheaper: proposals refused when their target was last "
        "considered, best price first. A price below zero means that the edit would cost more evidence than it brings."
    )
    columns = [("epoch", "number"), ("proposal", "phrase"), ("price, nats", "number"), ("why refused", "phrase")]
    rows = [
        [
            number(int(row["epoch"])),
            edit_text(row["summary"]),
            fixed(float(row["nats"]), 2, sign=True),
            text(row["reason"]),
        ]
        for row in chosen.to_dict("records")
    ]
    return section(
        "Refused, but close", paragraph(lead), table(columns, rows, f"{len(rows)} proposals closest to acceptance")
    )


def closest_refused(journal: pd.DataFrame, most: int = REFUSED) -> pd.DataFrame:
    """The best priced refusals that still stand.

    A price holds until its target changes, so those of every target's last considered epoch stand, unless the edit was
    accepted after all. What a rule could not price comes last.
    """
    accepted = journal["accepted"].astype(bool)
    refused = journal[~accepted & ~journal["edit"].isin(journal.loc[accepted, "edit"])]
    last = refused["epoch"] == refused.groupby("target")["epoch"].transform("max")
    ranked: pd.DataFrame = refused[last].sort_values("nats", ascending=False, kind="stable", na_position="last")
    return ranked.head(most)


def metrics_section(tables: RunTables) -> Html:
    """Every number in `metrics.json`: single ones as a list, groups with the same names as a table."""
    groups = {key: value for key, value in tables.metrics.items() if isinstance(value, Mapping) and value}
    single = {_words(key): number(_plain(value)) for key, value in tables.metrics.items() if key not in groups}
    pieces = [pairs(single, "list")] if single else []
    if groups:
        names = list(dict.fromkeys(name for group in groups.values() for name in group))
        columns = [("against the truth", ""), *((_words(name), "number") for name in names)]
        rows = [[text(_words(view)), *(_score(group.get(name)) for name in names)] for view, group in groups.items()]
        pieces.append(table(columns, rows, "Agreement with the known graph, pairs of different variables"))
    return section("Metrics", *(pieces or [paragraph("This run recorded no metrics.")]))


def _score(value: Any) -> Html:
    return fixed(value, 3) if isinstance(value, float) else number(_plain(value))


def _words(key: str) -> str:
    plain = key.replace("_", " ")
    return plain.upper() if plain in ("auroc", "auprc", "shd", "f1") else plain


def reading_section() -> Html:
    """What the words and numbers of the page mean, and what they rest on."""
    entries = {
        "nats": "The unit of evidence: log probability with base e. With an edge of 3 nats the graph is, given the "
        "data, e³ ≈ 20 times as probable as without it; with 7 nats, 1,100 times. The prior cost of the edge "
        "is already paid. Each price takes the rest of the graph as given, so prices do not add up exactly.",
        "probability": "The probability that an edge belongs in the graph, given the data, the prior and the model, "
        "averaged over graphs: an edge with many nats is improbable where another graph without it explains the data "
        "as well. It speaks of the model's edge and is not a guarantee of cause and effect.",
        "weight ± sd": "Posterior mean and standard deviation of the coefficient, in units of the effect per unit of "
        "the cause; of a curve or a product, its mean slope over the data.",
        "surprise": "Negative log predictive density of the data, in nats, summed over time and variables. What is "
        "reducible is the evidence that the best edit not yet made would add.",
        "truth": "Where a true graph is known, a found link is true if its pair is linked in the truth, in that "
        "direction. An edge whose pair is right and whose lag is not is marked “other lag”. F1, AUROC and SHD are "
        "about pairs of different variables, at any lag.",
        "what is assumed": "Links may be read as causal only if nothing unobserved drives two variables at once, if "
        "causes act after at least one time step, and if mechanisms have the form named in the settings and do not "
        "change over the rows used. Where that fails, an arrow says that one variable helps to predict another, and no "
        "more.",
    }
    return section("How to read this page", pairs({key: text(value) for key, value in entries.items()}, "terms"))


def repeat_section(tables: RunTables) -> Html:
    """Command, settings and environment."""
    line = facts.command(tables)
    if line is None:
        first = paragraph("This run was started from Python, not from the command line. Its settings are below.")
    else:
        first = tag("pre", tag("code", text(line)), class_="command")
    known = {
        key: value for key, value in facts.flat(tables.environment) if key.partition(".")[0] not in ("command", "task")
    }
    return section(
        "Repeat this run",
        first,
        details("Settings (config.yaml)", tag("pre", tag("code", text(tables.config_text.rstrip())))),
        details("Environment", pairs({key: text(_plain(value)) for key, value in known.items()}, "list")),
        details("Files", pairs(_files(tables), "list")),
    )


_FILES_SHOWN: Final = {
    "edges.csv": text("the edges of the found graph"),
    "scores.csv": text("every candidate edge"),
    "summary.csv": text("cause by effect, nats"),
    "summary_probability.csv": text("cause by effect, probability of an edge at any lag"),
    "noise.csv": text("the noise of every series: kind, tails, strength"),
    "graph.json": text("the graph, node-link JSON"),
    "journal.jsonl": text("every decision, in order"),
    "signals.csv": text("surprise per epoch and variable"),
    "metrics.json": text("the metrics above"),
    "figures/": text("the figures as SVG and PNG"),
}


_FILES_OF_BELIEFS: Final = {
    "nodes.csv": text("the nodes of the network and their parameters"),
    "edges.csv": text("its edges"),
    **{
        name: words
        for name, words in _FILES_SHOWN.items()
        if name not in ("edges.csv", "scores.csv", "summary.csv", "summary_probability.csv", "noise.csv")
    },
    "signals.csv": text("surprise, errors and beliefs per epoch and node"),
}


_FILES_OF_MIXTURES: Final = {
    "components.csv": text("the components: how many rows each remembers, where it is and how wide"),
    "points.csv": text("the component of every row, and its surprise"),
    **{name: words for name, words in _FILES_OF_BELIEFS.items() if name != "signals.csv"},
    "signals.csv": text("surprise per epoch and node"),
}


def _files(tables: RunTables) -> Mapping[str, Html]:
    if tables.components is not None:
        return _FILES_OF_MIXTURES
    return _FILES_OF_BELIEFS if tables.belief else _FILES_SHOWN


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return {None: DASH, True: "yes", False: "no"}[value]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(str(part) for part in value)
    return value


def kinds_in(journal: pd.DataFrame) -> str:
    """Accepted edits in words, e.g. "12 added, 1 pruned"."""
    counts = journal.loc[journal["accepted"].astype(bool), "kind"].value_counts()
    return ", ".join(f"{counts[kind]:,} {word}" for kind, (word, _, _) in KINDS.items() if kind in counts) or "none"
