"""What a sweep says, in sentences: for its page and for the terminal."""

from urllib.parse import quote

from sostruct.reports.sweep import wording
from sostruct.reports.sweep.analysis import Analysis
from sostruct.reports.sweep.collect import Sweep
from sostruct.reports.sweep.jobs import Status
from sostruct.reports.sweep.options import higher_is_better, metric_label

MOST_LEVELS = 6


def comparison(analysis: Analysis) -> str:
    """What was compared: the factors with their levels, and the number of replicates."""
    sweep = analysis.sweep
    parts = []
    for factor in sweep.factors:
        levels = list(dict.fromkeys(sweep.frame[factor]))
        shown = ", ".join(levels[:MOST_LEVELS]) + (
            f" and {len(levels) - MOST_LEVELS} more" if len(levels) > MOST_LEVELS else ""
        )
        parts.append(f"{factor}: {shown}")
    replicates = int(sweep.frame[sweep.replicate].nunique())
    parts.append(f"{_count(replicates, 'replicate')} ({sweep.replicate})")
    return "; ".join(parts) + "."


def finding(analysis: Analysis) -> str:
    """Which condition is best in the main metric, and how sure that is; empty where nothing is ranked or finished."""
    if not analysis.rankings or analysis.grouping:
        return ""
    metric = next(iter(analysis.rankings))
    own = analysis.means[(analysis.means["metric"] == metric) & (analysis.means["n"] > 0)]
    top = own.sort_values("mean", ascending=_lower(metric), kind="stable").iloc[0]
    decimals = wording.column_places(own)
    spread = wording.interval(top["low"], top["high"], decimals)
    means = f"{wording.fixed(top['mean'], decimals)}{f' {spread}' if spread else ''}"
    label = metric_label(metric, unit=False)
    level = f"at level {analysis.options.level:.3g}"
    sure = (
        f"It differs from every other condition {level}."
        if top["best"]
        else (f"It does not differ from every other condition {level}.")
    )
    name = analysis.labels[top["condition"]]
    others = own[own["condition"] != top["condition"]]
    if (others["mean"] == top["mean"]).any():
        return f"No condition stands alone at the top of {label}: {name} and others reach {means}."
    return f"{name} has the best {label}, {means}. {sure}"


def with_the_same(analysis: Analysis) -> str:
    """What compared conditions have in common: "with the same task"; empty where they need not."""
    return f"with the same {' and '.join(analysis.grouping)}" if analysis.grouping else ""


def _lower(metric: str) -> bool:
    return higher_is_better(metric) is False


def unfinished(sweep: Sweep) -> str:
    """How much of a sweep is there and what is not; empty when all is."""
    if sweep.complete:
        return ""
    counts = {status: len(sweep.having(status)) for status in Status}
    rest = [
        f"{counts[status]:,} {words}"
        for status, words in (
            (Status.FAILED, "failed"),
            (Status.UNFINISHED, "running or interrupted"),
            (Status.MISSING, "not begun"),
        )
        if counts[status]
    ]
    return (
        f"{counts[Status.FINISHED]:,} of {_count(len(sweep.jobs), 'job')} have finished ({', '.join(rest)}). "
        "Every number below is from those alone and may change; the jobs are listed further down."
    )


def how_compared(analysis: Analysis) -> str:
    """What the baseline is and what the tests are."""
    levels = ", ".join(f"{factor}={level}" for factor, level in analysis.baseline.items())
    same = with_the_same(analysis)
    rows = len(analysis.comparisons) // max(1, len(analysis.metrics))
    return (
        f"Each condition minus the baseline ({levels}{same and ', '}{same}) over the replicates they share, with "
        "the interval of the mean difference. p-values are Holm-corrected over the "
        f"{_count(rows, 'comparison')} of each metric."
    )


def _count(count: int, word: str) -> str:
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def address(path: str) -> str:
    """A relative path as a link: what may not stand in an address is quoted."""
    return quote(path, safe="/,-_.~")
