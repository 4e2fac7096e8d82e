r"""The evidence for and against one edge: what it gains, what it costs, who competes with it, what would change it.

**Competing parents.** Every other candidate of the same effect is moved to the other side, into the graph or out of it,
and the edge is priced again: exactly, from the moments that the result keeps (`parents.py`). Where the price falls, the
two stand for the same thing; where it rises, they are a pair.

**More rows.** With m coefficients and s the share that the edge explains of what other parents leave, of which chance
alone has m/n, an edge of n nats over n rows is expected to have, over n' rows of the same system,

    nats(n') = nats(n) + (n' - n) g - m/2 log(n'/n),    g = -1/2 log min(1, (1 - s) n / (n - m)).

**Prior odds.** They enter a price as their logarithm, so an edge of x nats changes sides when its prior odds are
multiplied by exp(-x).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pandas as pd

from sostruct.discovery.explanation_words import reasons_for, ruled_by, stated
from sostruct.discovery.parents import Balance, ParentSets
from sostruct.discovery.posterior import MOST_KEPT
from sostruct.discovery.rivalry import RIVALS, SUBSTITUTES, enough_rows, expected_nats, rivals_of, substitutes_of
from sostruct.errors import ConfigError
from sostruct.graph import AddEdge, RemoveEdge, Rewire
from sostruct.tasks.base import listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sostruct.discovery.posterior import Posterior
    from sostruct.discovery.result import Discovery
    from sostruct.graph import AbstractEdit

ROWS = (0.25, 0.5, 1.0, 2.0, 4.0, 10.0)
"""Shares of the rows at which an expected price is told."""

SHOWN = 5
"""Rivals and lags that the text names; the tables have all."""


@final
@dataclass(frozen=True, eq=False)
class Explanation:
    """Why an edge is in the graph or not.

    Attributes:
        cause, effect, lag: which edge.
        in_graph: whether the graph has it.
        nats: its price, prior odds included, the rest of the graph as found; of a forbidden edge, what it would be.
        probability: that it belongs in the graph, over all graphs.
        reasons: the same and what follows, in sentences.
        lags: all lags of the pair. Columns as in `Discovery.scores`, and `in_graph`.
        balance: the price in its parts, None where the moments are not kept or the link is not a mechanism.
        rivals: the other candidates of the effect, those that change the price most first. Columns: `cause`, `lag`,
            `in_graph`, `nats` (its own price), `edge_nats` (the price of the edge if the rival left the graph, or
            entered it), `change` of the price, and `instead`: what the graph would gain if the one of the two that is
            in it were replaced by the other; NaN where both are or none.
        substitutes: every other series in the place of the cause, at all lags that the graph has of it, the best first;
            empty for an edge that is not in the graph. Columns: `cause` and `instead`, what the graph would gain.
        more_rows: expected price by number of rows, columns `rows` and `nats`.
        enough_rows: the number from which an effect of this size is expected to pay; inf where it is no larger than
            chance.
        prior_factor: the factor on its prior odds at which it changes sides.
        history: what the journal says of the pair, columns as in `Journal.frame`.
    """

    cause: str
    effect: str
    lag: int
    in_graph: bool
    nats: float
    probability: float
    reasons: tuple[str, ...]
    lags: pd.DataFrame
    balance: Balance | None
    rivals: pd.DataFrame
    substitutes: pd.DataFrame
    more_rows: pd.DataFrame
    enough_rows: float
    prior_factor: float
    history: pd.DataFrame

    def plot(self) -> Figure:
        """The price in its parts, under rivals, and with more rows."""
        from sostruct.reports.explanation_figure import draw_explanation

        balance = self.balance
        parts = {"fit": balance.fit, "complexity": balance.complexity, "prior odds": balance.prior} if balance else {}
        title = f"{self.cause} → {self.effect}, lag {self.lag}"
        return draw_explanation(title, parts, self.nats, self.rivals, self.more_rows)

    def __repr__(self) -> str:
        lines = [f"{self.cause} -> {self.effect} at lag {self.lag}", *(f"  {line}" for line in self.reasons)]
        if len(self.lags) > 1:
            lines.append("  All lags of the pair:")
            columns = ["lag", "in_graph", "nats", "probability", "weight", "weight_sd", "function", "mark"]
            lines += _indented(self.lags[columns].head(2 * SHOWN))
        if len(self.rivals):
            lines.append("  Competing parents (price of this edge if they changed sides):")
            lines += _indented(self.rivals.head(SHOWN))
        if len(self.substitutes) and self.lags.loc[self.lags["mark"].eq("directed"), "in_graph"].sum() > 1:
            lines.append(f"  Other series in the place of {self.cause}, all its lags in the graph at once:")
            lines += _indented(self.substitutes.head(SHOWN))
        if len(self.more_rows):
            lines.append("  Expected price by rows:")
            lines += _indented(self.more_rows)
        if len(self.history):
            lines.append(f"  From the journal, {len(self.history)} decisions about the pair, the last:")
            lines += _indented(self.history[["epoch", "edit", "nats", "accepted", "reason"]].tail(3))
        return "\n".join(lines)


def explain(found: Discovery, cause: str, effect: str, lag: int | None = None) -> Explanation:
    """The evidence for and against an edge (`Discovery.explain`).

    Raises:
        ConfigError: an unknown series, or a lag that was not looked at.
    """
    posterior = found.posterior
    for name in (cause, effect):
        if name not in posterior.variables:
            raise ConfigError(
                f"Cannot explain {cause!r} -> {effect!r}. This is because the graph has no series {name!r}. Try two "
                f"of: {listed(posterior.variables)}."
            )
    lags = _lags(found, cause, effect)
    row = lags.iloc[_chosen(lags, lag, cause, effect)]
    target, source = (posterior.variables.index(name) for name in (effect, cause))
    link = (int(row["lag"]) - 1) % (posterior.max_lag + int(posterior.instant)) * len(posterior.variables) + source
    history = _history(found, cause, effect)
    common: dict[str, Any] = {
        "cause": cause,
        "effect": effect,
        "lag": int(row["lag"]),
        "lags": lags,
        "history": history,
    }
    if row["mark"] != "directed" or not row["candidate"] or not len(posterior.kept):
        return _told(row, common, posterior, source, target, link)
    sets, count = ParentSets(posterior, target), posterior.rows_of(target)
    block = sets.of_link(link)
    in_graph = bool(block)
    block = block or [sets.line(link)]
    without = [column for column in sets.found if column not in block]
    balance = sets.balance(without, block)
    terms = posterior.terms
    more_forms = terms.layout.terms > len(terms.links)  # an absent link may enter as any of its terms, or be a line
    told = in_graph or not more_forms or row["nats"] == -np.inf
    nats = balance.nats if told else float(row["nats"])
    rivals = rivals_of(sets, link, block, without, balance.nats)
    others = substitutes_of(sets, source) if in_graph else pd.DataFrame(columns=list(SUBSTITUTES))
    rows = expected_nats(nats, balance, count, np.array(ROWS) * count)
    more = pd.DataFrame({"rows": np.round(np.array(ROWS) * count).astype(int), "nats": rows})
    enough = enough_rows(nats, balance, count)
    return Explanation(
        **common,
        in_graph=in_graph,
        nats=nats,
        probability=float(row["probability"]),
        reasons=reasons_for(row, nats, balance, rivals, enough, count, ruled_by(posterior, row, source, target, link)),
        balance=balance,
        rivals=rivals,
        substitutes=others,
        more_rows=more,
        enough_rows=enough,
        prior_factor=math.exp(-min(max(nats, -700.0), 700.0)),
    )


def _lags(found: Discovery, cause: str, effect: str) -> pd.DataFrame:
    """Every candidate of the pair, and the link within the step that is not one."""

    def own(table: pd.DataFrame, *, either: bool = False) -> pd.DataFrame:
        ends = table["cause"].eq(cause) & table["effect"].eq(effect)
        if either:
            ends |= table["cause"].eq(effect) & table["effect"].eq(cause) & table["mark"].ne("directed")
        return table[ends]

    candidates, edges = own(found.scores), own(found.edges, either=True)
    keys = set(edges.loc[edges["mark"] == "directed", "lag"])
    candidates = candidates.assign(candidate=True, in_graph=candidates["lag"].isin(keys))
    other = edges[~edges["lag"].isin(candidates["lag"]) | edges["mark"].ne("directed")]
    table = pd.concat([other.assign(candidate=False, in_graph=True), candidates], ignore_index=True)
    return table.sort_values("lag", kind="stable", ignore_index=True)


def _chosen(lags: pd.DataFrame, lag: int | None, cause: str, effect: str) -> int:
    """The row to explain: the given lag, or the strongest, those in the graph first."""
    if lag is not None:
        lags = lags[lags["lag"] == lag]
        if isinstance(lag, bool) or lags.empty:
            raise ConfigError(
                f"Cannot explain {cause} -> {effect} at lag {lag!r}. This is because the data were not asked about "
                "that lag. Try one of `found.scores`, or none for the strongest."
            )
    clear = lags.assign(clear=lags["weight"].abs() / lags["weight_sd"])  # tells forbidden ones apart
    return int(clear.sort_values(["in_graph", "nats", "clear"], ascending=False, kind="stable").index[0])


def _history(found: Discovery, cause: str, effect: str) -> pd.DataFrame:
    """The decisions of the journal that touch the pair, products included."""

    def sources(edit: AbstractEdit) -> set[str]:
        match edit:
            case AddEdge():
                return {edit.edge.source}
            case RemoveEdge():
                return {edit.source}
            case Rewire():
                return {edit.remove.source, edit.add.edge.source}
        return set()

    touched = [
        entry.target == effect and any(cause in sources(edit) for edit in entry.edits) for entry in found.journal
    ]
    return found.journal.frame()[touched].reset_index(drop=True)


def _indented(table: pd.DataFrame) -> list[str]:
    text = table.to_string(index=False, float_format="{:.3g}".format)
    return [f"    {line}" for line in text.splitlines()]


def _no_moments(posterior: Posterior, effect: str) -> str:
    """Why there are no rivals, and what to do."""
    columns = posterior.active.shape[1]
    if columns > MOST_KEPT:
        return (
            f"No rivals: they are priced from the products of all columns, which are kept up to {MOST_KEPT:,} columns; "
            f"here are {columns:,}. Try a search among {effect}, its parents and the series in question. The journal "
            "has what was tried."
        )
    return (
        "No rivals: this result does not keep the products of its columns that they are priced from; results of "
        "earlier versions and graphs with very many curves do not. Try a new search. The journal has what was tried."
    )


def _told(
    row: pd.Series, common: dict[str, Any], posterior: Posterior, source: int, target: int, link: int
) -> Explanation:
    """An explanation without moments: of a pair within the step, or in systems too large to keep them."""
    nats = float(row["nats"])
    if row["candidate"]:
        lines = [
            stated(row, ruled_by(posterior, row, source, target, link), nats),
            _no_moments(posterior, row["effect"]),
        ]
    else:
        words = {"bidirected": "a hidden common cause", "undirected": "of either direction"}
        lines = [
            f"Linked within the step ({words.get(row['mark'], 'the other direction is forbidden')}): {nats:.1f} nats, "
            f"partial correlation {row['weight']:.3f} +- {row['weight_sd']:.2g} of what lagged parents leave."
        ]
        if row["mark"] == "undirected":
            lines.append(
                f"The log odds of this direction, against the other and a hidden common cause, are "
                f"{posterior.direction[target, source]:.1f}: not enough to decide. Forbid one direction (lag 0) if you "
                "know the other."
            )
    return Explanation(
        **common,
        in_graph=bool(row["in_graph"]),
        nats=nats,
        probability=float(row["probability"]),
        reasons=tuple(lines),
        balance=None,
        rivals=pd.DataFrame(columns=list(RIVALS)),
        substitutes=pd.DataFrame(columns=list(SUBSTITUTES)),
        more_rows=pd.DataFrame(columns=["rows", "nats"]),
        enough_rows=math.nan,
        prior_factor=math.exp(-min(max(nats, -700.0), 700.0)),
    )
