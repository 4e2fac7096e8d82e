"""An explanation in words: sentences made of the same numbers as its tables."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from sostruct.discovery.parents import Balance
from sostruct.discovery.posterior import Posterior


def ruled_by(posterior: Posterior, row: pd.Series, source: int, target: int, link: int) -> str:
    """What decides about a link before the data do; nothing, for most."""
    if posterior.required[target, link]:
        return "required"
    if row["nats"] != -np.inf:
        return ""
    within = row["lag"] == 0 and posterior.direction[target, source] != -np.inf
    return "against the order of effects within the step" if within else "forbidden"


def reasons_for(
    row: pd.Series, nats: float, balance: Balance, rivals: pd.DataFrame, enough: float, count: float, ruled: str
) -> tuple[str, ...]:
    """Whether it is in the graph, why, what it depends on, and what would change it."""
    lines = [stated(row, ruled, nats)]
    coefficients = "its coefficient costs" if balance.columns == 1 else f"its {balance.columns} coefficients cost"
    lead = "What it explains" if math.isclose(nats, balance.nats, abs_tol=1e-6) else "What it explains as a line"
    lines.append(
        f"{lead}, {100 * balance.share:.2g} % of what the other parents leave, is worth {balance.fit:.1f} nats; "
        f"{coefficients} {-balance.complexity:.1f}; prior odds are {abs(balance.prior):.1f} "
        f"{'for' if balance.prior > 0 else 'against'} it."
    )
    if not ruled and (nats > 0) != (row["probability"] > 0.5):
        lines.append(
            "Over all graphs the answer is the other one: nats take the rest of the graph as found, and there are "
            "other graphs that explain the data as well (docs/evidence.md)."
        )
    lines.append(_rival_line(rivals, nats))
    if math.isinf(enough):
        lines.append("That is no more than chance explains: no number of rows is expected to bring it in.")
    else:
        lines.append(
            f"An effect of this size is expected to pay from about {_rounded(enough)} rows on; there are {count:,.0f}."
        )
    if ruled:
        lines.append(f"It is {ruled}: no price changes that.")
        return tuple(lines)
    flips = rivals[(rivals["edge_nats"] > 0) != (nats > 0)].head(3)
    others = [f"{one.cause} (lag {one.lag}) {'left' if one.in_graph else 'entered'}" for one in flips.itertuples()]
    change = ("leave", "divided") if nats > 0 else ("enter", "multiplied")
    lines.append(
        f"It would {change[0]} if its prior odds were {change[1]} by more than {math.exp(min(abs(nats), 700.0)):,.3g}"
        + (f", or if {' or '.join(others)}." if others else "; no single rival would do.")
    )
    return tuple(lines)


def stated(row: pd.Series, ruled: str, nats: float) -> str:
    """Whether an edge is in the graph, at which price."""
    weight = f"{row['weight']:.4g} +- {row['weight_sd']:.2g}"
    if ruled and ruled != "required":
        return f"{ruled[0].upper()}{ruled[1:]}. Without that, it would have {nats:.1f} nats and the weight {weight}."
    lead = "Required, so in the graph" if ruled else ("In the graph" if row["in_graph"] else "Not in the graph")
    ending = f"weight {weight} ({row['function']})" if row["in_graph"] else f"it would have the weight {weight}"
    return f"{lead}: {nats:.1f} nats, probability {row['probability']:.3f}, {ending}."


def _rival_line(rivals: pd.DataFrame, nats: float) -> str:
    if rivals.empty or abs(rivals["change"].iloc[0]) < 1:
        return "No other candidate of this effect changes its price by a nat."
    top = rivals.iloc[0]
    moved = "left" if top["in_graph"] else "entered"
    sense = "they stand for the same thing" if (top["change"] > 0) == bool(top["in_graph"]) else "they work together"
    line = (
        f"Most depends on {top['cause']} at lag {top['lag']}: if it {moved}, the price would be {top['edge_nats']:.1f} "
    )
    line += f"nats instead of {nats:.1f} ({sense})."
    best = rivals.iloc[int(np.nanargmax(rivals["instead"]))] if rivals["instead"].notna().any() else None
    if best is not None:
        what = "This edge in place of" if best["in_graph"] else "In place of this edge,"
        line += f" {what} {best['cause']} at lag {best['lag']} would change the evidence by {best['instead']:.1f} nats."
    return line


def _rounded(rows: float) -> str:
    digits = max(0, math.floor(math.log10(max(rows, 1.0))) - 1)
    return f"{round(rows, -digits):,.0f}"
