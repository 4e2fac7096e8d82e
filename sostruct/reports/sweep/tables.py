"""The tables of a sweep as files: CSV with every digit, LaTeX ready for a paper.

Equal runs give equal bytes: no times and no places of files are in them. LaTeX tables need the package booktabs; each
begins with comments that say which commands, versions and commit its numbers come from.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

from sostruct.reports.sweep import findings, wording
from sostruct.reports.sweep.analysis import Analysis
from sostruct.reports.sweep.jobs import Status, provenance_groups
from sostruct.reports.sweep.options import higher_is_better, metric_label
from sostruct.reports.typography import DASH, MINUS

_SPECIAL: Final = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    MINUS: "$-$",
    DASH: "--",
}


def escaped(content: object) -> str:
    """Any text for LaTeX, on one line."""
    plain = " ".join("".join(letter if letter >= " " else " " for letter in str(content)).split())
    return "".join(_SPECIAL.get(letter, letter) for letter in plain)


def table_files(analysis: Analysis) -> dict[str, str]:
    """Every table by the name of its file."""
    sweep = analysis.sweep
    files = {
        "jobs.csv": _csv(sweep.frame),
        "curves.csv": _csv(sweep.curves),
        "means.csv": _csv(analysis.means),
        "means.tex": means_tex(analysis),
    }
    if analysis.baseline:
        files |= {"comparisons.csv": _csv(analysis.comparisons), "comparisons.tex": comparisons_tex(analysis)}
    if analysis.rankings:
        files |= {"ranks.csv": _csv(rank_table(analysis)), "ranks.tex": ranks_tex(analysis)}
    return files


def _csv(frame: pd.DataFrame) -> str:
    return frame.to_csv(index=False, lineterminator="\n")


def rank_table(analysis: Analysis) -> pd.DataFrame:
    """Metric, method, average rank, and the test it belongs to."""
    rows = [
        {
            "metric": metric,
            "method": method,
            "average_rank": rank,
            "blocks": ranking.result.blocks,
            "chi2": ranking.result.chi2,
            "p": ranking.result.p,
            "f": ranking.result.f,
            "p_f": ranking.result.p_f,
            "critical_difference": ranking.result.critical_difference,
        }
        for metric, ranking in analysis.rankings.items()
        for method, rank in zip(ranking.methods, ranking.result.ranks, strict=True)
    ]
    return pd.DataFrame(rows)


def means_tex(analysis: Analysis) -> str:
    """Conditions by metrics: mean and interval, the best in bold where it differs from all others."""
    decimals = {metric: wording.column_places(_of(analysis.means, metric)) for metric in analysis.metrics}
    arrow = {True: r" $\uparrow$", False: r" $\downarrow$", None: ""}
    heads = [
        "condition",
        "$n$",
        *(escaped(metric_label(metric)) + arrow[higher_is_better(metric)] for metric in analysis.metrics),
    ]
    rows = []
    for condition in analysis.sweep.conditions:
        found = {metric: analysis.row(metric, condition) for metric in analysis.metrics}
        cells = [_mean_cell(row, decimals[metric]) for metric, row in found.items()]
        rows.append([escaped(analysis.labels[condition]), counts(found), *cells])
    same = escaped(findings.with_the_same(analysis))
    confidence = f"{100 * analysis.options.confidence:g}"
    note = (
        f"Mean over replicates [{confidence}\\,\\% Student $t$ interval of the mean]; bold: best and different from "
        f"every other condition{same and ' '}{same} (paired tests, Holm-corrected over all pairs)"
    )
    return _tabular(analysis, heads, "lr" + "l" * len(analysis.metrics), rows, note)


def counts(found: Mapping[str, pd.Series]) -> str:
    """Number of replicates of a condition; a range where metrics differ in it."""
    every = sorted({int(row["n"]) for row in found.values()}) or [0]
    return str(every[0]) if len(every) == 1 else f"{every[0]}{DASH}{every[-1]}"


def _mean_cell(row: pd.Series, decimals: int) -> str:
    mean = _math(wording.fixed(row["mean"], decimals))
    shown = f"\\textbf{{{mean}}}" if row["best"] else mean
    spread = wording.interval(row["low"], row["high"], decimals)
    return f"{shown} {{\\footnotesize {_math(spread)}}}" if spread else shown


def _math(number: str) -> str:
    """A formatted number with LaTeX's minus; thousands separated without the space of a comma in mathematics."""
    return number.replace(MINUS, "$-$").replace(DASH, "--").replace("∞", r"$\infty$")


def comparisons_tex(analysis: Analysis) -> str:
    """Paired differences to the baseline with both tests."""
    heads = ["metric", "condition", "baseline", "$n$", "difference", "$p_t$", "$p_W$"]
    rows, last = [], None
    for metric in analysis.metrics:
        own = _of(analysis.comparisons, metric)
        decimals = wording.column_places(own, "difference")
        for row in own.to_dict("records"):
            difference = wording.fixed(row["difference"], decimals, sign=True)
            spread = wording.interval(row["low"], row["high"], decimals)
            cell = f"{_math(difference)} {{\\footnotesize {_math(spread)}}}" if spread else _math(difference)
            rows.append(
                [
                    "" if metric == last else escaped(metric_label(metric)),
                    escaped(analysis.labels[row["condition"]]),
                    escaped(analysis.labels[row["baseline"]]),
                    str(row["n"]),
                    cell,
                    escaped(wording.p_value(row["p_t_holm"])),
                    escaped(wording.p_value(row["p_w_holm"])),
                ]
            )
            last = metric
    note = (
        "Condition minus baseline over shared replicates; paired $t$-test and exact Wilcoxon signed-rank test, both "
        "Holm-corrected over the comparisons of a metric"
    )
    return _tabular(analysis, heads, "lllrlrr", rows, note)


def ranks_tex(analysis: Analysis) -> str:
    """Average ranks by metric, with Friedman's test and the critical difference."""
    methods = list(dict.fromkeys(method for ranking in analysis.rankings.values() for method in ranking.methods))
    heads = ["metric", *(escaped(analysis.labels[method]) for method in methods), "$N$", "Friedman $p$", "CD"]
    rows = []
    for metric, ranking in analysis.rankings.items():
        rank = dict(zip(ranking.methods, ranking.result.ranks, strict=True))
        cells = [f"{rank[method]:.2f}" if method in rank else "--" for method in methods]
        test = escaped(wording.p_value(ranking.result.p))
        found = ranking.result
        rows.append(
            [escaped(metric_label(metric)), *cells, str(found.blocks), test, f"{found.critical_difference:.2f}"]
        )
    note = "Average ranks, 1 is best; CD: Nemenyi's critical difference"
    return _tabular(analysis, heads, "l" + "r" * (len(heads) - 1), rows, note)


def _tabular(analysis: Analysis, heads: Sequence[str], align: str, rows: Sequence[Sequence[str]], note: str) -> str:
    lines = [f"% {line}" for line in provenance_lines(analysis)]
    lines += [f"% {note}.", f"\\begin{{tabular}}{{{align}}}", r"\toprule", " & ".join(heads) + r" \\", r"\midrule"]
    lines += [" & ".join(row) + r" \\" for row in rows]
    lines += [r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def provenance_lines(analysis: Analysis) -> list[str]:
    """Which commands, versions and commits the numbers come from, a line each, and what is missing."""
    sweep = analysis.sweep
    lines = [_line("command", order.command or "not recorded") for order in sweep.orders]
    for about, names in provenance_groups(sweep.jobs):
        versions = about["versions"]
        shown = versions if isinstance(versions, dict) else {}
        lines.append(_line("versions", ", ".join(f"{name} {value}" for name, value in shown.items() if value) or "?"))
        lines.append(_line("commit", about["commit"] or "not recorded"))
        lines[-1] += f" ({len(names)} of {len(sweep.jobs)} jobs)"
    finished = len(sweep.having(Status.FINISHED))
    if not sweep.complete:
        lines.append(f"half-finished: {finished} of {len(sweep.jobs)} jobs")
    return lines


def _line(what: str, content: Any) -> str:
    return f"{what}: {' '.join(re.sub(r'[^ -~]', '?', str(content)).split())}"


def _of(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    return frame[frame["metric"] == metric]
