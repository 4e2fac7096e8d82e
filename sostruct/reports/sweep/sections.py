"""The parts of a sweep's page, in the order a reader wants them.

First what was compared and what came out, then how sure it is, then how it came about, then what is needed to judge and
repeat every number. Each function turns an analysis into one piece of HTML, or into none where there is nothing to say.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sostruct.reports import facts
from sostruct.reports.markup import Html, details, figure, join, number, pairs, paragraph, section, table, tag, text
from sostruct.reports.markup import variable as breakable
from sostruct.reports.sweep import findings, wording
from sostruct.reports.sweep.analysis import Analysis
from sostruct.reports.sweep.collect import Sweep
from sostruct.reports.sweep.curves_figure import per_step
from sostruct.reports.sweep.figures import figure_name, main_metric
from sostruct.reports.sweep.jobs import Job, Status, command_of, provenance_groups
from sostruct.reports.sweep.options import direction_note, metric_label
from sostruct.reports.sweep.tables import counts
from sostruct.reports.typography import DASH

Drawings = Mapping[str, Html]


def sweep_name(sweep: Sweep) -> str:
    """A sweep's name: of its folder, or of the one above where that is called "sweep"."""
    path = sweep.folder.resolve()
    return path.parent.name if path.name == "sweep" and path.parent.name else path.name


def headline(analysis: Analysis) -> Html:
    """Name, what was compared, the finding, what is missing, and the numbers everyone looks for."""
    sweep = analysis.sweep
    pieces = [paragraph("sostruct sweep report", class_="kicker"), tag("h1", text(sweep_name(sweep)))]
    pieces.append(paragraph(findings.comparison(analysis), class_="lede"))
    finding = findings.finding(analysis)
    if finding:
        pieces.append(paragraph(finding, class_="finding"))
    pieces += [*_unfinished(sweep), *_provenance(sweep), *_versions(sweep)]
    return tag("header", join([*pieces, _numbers(analysis)]))


def _unfinished(sweep: Sweep) -> list[Html]:
    words = findings.unfinished(sweep)
    if not words:
        return []
    lead = tag("strong", text("Half-finished."))
    return [tag("p", join((lead, text(words)), " "), class_="note caution")]


def _provenance(sweep: Sweep) -> list[Html]:
    """Whether the data are simulated, where the runs say."""
    begun = [job for job in sweep.jobs if job.environment]
    stated = {facts.simulated(job) for job in begun}
    if True in stated:
        some = "" if stated == {True} else " for some of these jobs"
        lead, kind = "Simulated data.", "note caution"
        words = f"A program generated the series{some}, so nothing here is a finding about the world."
    elif stated == {False}:
        origins = list(dict.fromkeys(facts.provenance(job) for job in begun))
        lead, kind, words = "Data.", "note", " ".join(origins)
    else:
        return []
    return [tag("p", join((tag("strong", text(lead)), text(words)), " "), class_=kind)]


def _versions(sweep: Sweep) -> list[Html]:
    groups = list(provenance_groups(sweep.jobs))
    if len(groups) < 2:
        return []
    words = (
        f"These jobs ran in {len(groups)} different settings (versions, commit or machine): see the end of the page."
    )
    return [tag("p", join((tag("strong", text("Mixed.")), text(words)), " "), class_="note caution")]


def _numbers(analysis: Analysis) -> Html:
    sweep = analysis.sweep
    finished = len(sweep.having(Status.FINISHED))
    entries = {
        "jobs": number(len(sweep.jobs)),
        "finished": number(finished),
        "conditions": number(len(sweep.conditions)),
        "replicates": number(int(sweep.frame[sweep.replicate].nunique())),
    }
    failed = len(sweep.having(Status.FAILED))
    if failed:
        entries["failed"] = number(failed)
    return pairs(entries, "numbers")


def means_section(analysis: Analysis, drawings: Drawings) -> Html:
    """Every condition in numbers, then drawn with its replicates."""
    if not analysis.metrics:
        return section("The conditions", paragraph("No job has finished yet, so there is nothing to compare."))
    confidence = f"{100 * analysis.options.confidence:g} %"
    notes = {metric: direction_note(metric) for metric in analysis.metrics}
    columns = [("condition", "name"), ("n", "number")]
    columns += [(metric_label(metric) + _arrow(notes[metric]), "number") for metric in analysis.metrics]
    decimals = {metric: _places(analysis, metric) for metric in analysis.metrics}
    rows = []
    for condition in analysis.sweep.conditions:
        found = {metric: analysis.row(metric, condition) for metric in analysis.metrics}
        cells = [_mean(row, decimals[metric]) for metric, row in found.items()]
        rows.append([breakable(analysis.labels[condition]), text(counts(found)), *cells])
    lead = (
        f"Mean over replicates with the {confidence} confidence interval of the mean (Student t). "
        f"A mean in bold is the best and differs from every other condition {findings.with_the_same(analysis)} "
        f"(paired tests, Holm-corrected over all pairs, level {analysis.options.level:.3g})."
    )
    drawn = [("", drawings[name]) for name in drawings if name.startswith("means_")]
    caption = "Small marks are single replicates, large ones their mean, lines the confidence interval of the mean."
    lead = " ".join(lead.split())
    return section(
        "The conditions", paragraph(lead), table(columns, rows, "Means by condition"), figure(drawn, caption, "several")
    )


def _arrow(note: str) -> str:
    return {"higher is better": " ↑", "lower is better": " ↓"}.get(note, "")


def _places(analysis: Analysis, metric: str) -> int:
    return wording.column_places(analysis.means[analysis.means["metric"] == metric])


def _mean(row: Any, decimals: int) -> Html:
    mean = text(wording.fixed(row["mean"], decimals))
    shown = tag("strong", mean) if row["best"] else mean
    spread = wording.interval(row["low"], row["high"], decimals)
    return join((shown, tag("span", text(spread), class_="spread")), " ") if spread else shown


def comparisons_section(analysis: Analysis) -> Html:
    """Paired differences to the baseline, with both tests."""
    if analysis.comparisons.empty:
        return Html("")
    columns = [("condition", "name"), ("baseline", "name"), ("pairs", "number"), ("difference", "number")]
    columns += [("p, t-test", "number"), ("p, Wilcoxon", "number"), ("note", "phrase")]
    pieces = [paragraph(findings.how_compared(analysis))]
    for metric in analysis.metrics:
        own = analysis.comparisons[analysis.comparisons["metric"] == metric]
        decimals = wording.column_places(own, "difference")
        rows = [_comparison(analysis, row, decimals) for row in own.to_dict("records")]
        pieces.append(table(columns, rows, metric_label(metric) + _arrow(direction_note(metric))))
    return section("Against the baseline", *pieces)


def _comparison(analysis: Analysis, row: Mapping[Any, Any], decimals: int) -> list[Html]:
    difference = text(wording.fixed(row["difference"], decimals, sign=True))
    spread = wording.interval(row["low"], row["high"], decimals)
    tests = []
    for name in ("p_t", "p_w"):
        raw = f"uncorrected p = {row[name]:.2g}" if not math.isnan(row[name]) else "no test"
        tests.append(tag("span", text(wording.p_value(row[f"{name}_holm"])), title=raw))
    return [
        breakable(analysis.labels[row["condition"]]),
        breakable(analysis.labels[row["baseline"]]),
        number(int(row["n"])),
        join((difference, tag("span", text(spread), class_="spread")), " "),
        *tests,
        text(row["note"]),
    ]


def ranks_section(analysis: Analysis, drawings: Drawings) -> Html:
    """The rank plots, and Friedman's test in words."""
    if not analysis.rankings:
        return Html("")
    drawn = [
        (metric_label(metric, unit=False), drawings[name])
        for metric in analysis.rankings
        if (name := figure_name("ranks", metric)) in drawings
    ]
    caption = (
        "Average ranks, 1 the best. A thick line joins methods whose ranks differ by less than the critical difference "
        "(Nemenyi; Demšar 2006), so that these data do not tell them apart."
    )
    return section("Ranks", _rank_table(analysis), figure(drawn, caption, "several"))


def _rank_table(analysis: Analysis) -> Html:
    """Average ranks by metric, with Friedman's test; dashes where all methods are tied in every block."""
    methods = list(dict.fromkeys(method for ranking in analysis.rankings.values() for method in ranking.methods))
    columns = [("metric", "name"), *((analysis.labels[method], "number") for method in methods), ("blocks", "number")]
    columns += [("χ²", "number"), ("p, Friedman", "number"), ("p, Iman-Davenport", "number")]
    rows = []
    for metric, ranking in analysis.rankings.items():
        found = ranking.result
        rank = dict(zip(ranking.methods, found.ranks, strict=True))
        cells = [text(wording.fixed(rank.get(method, math.nan), 2)) for method in methods]
        tests = [text(wording.fixed(found.chi2, 2)), text(wording.p_value(found.p)), text(wording.p_value(found.p_f))]
        rows.append([text(metric_label(metric, unit=False)), *cells, number(found.blocks), *tests])
    return table(columns, rows, "Average ranks, 1 the best, and whether they could be chance")


def curves_section(analysis: Analysis, drawings: Drawings) -> Html:
    """Learning curves with the edits marked."""
    if "curves" not in drawings:
        return Html("")
    unit = "per row of data" if per_step(analysis) else "over all data"
    caption = (
        f"Surprise ({unit}, lower is better) and number of edges by epoch: mean over replicates, and the confidence "
        "interval of the mean as a band. A run that has settled keeps its last value. Marks below are epochs after "
        "which edits were accepted; the larger, the more edits per replicate."
    )
    return section("How it came about", figure([("", drawings["curves"])], caption, "long"))


def tradeoff_section(analysis: Analysis, drawings: Drawings) -> Html:
    """The main metric against the size of the graph and the epochs it took."""
    if "tradeoff" not in drawings:
        return Html("")
    label = metric_label(main_metric(analysis), unit=False)
    caption = (
        f"{label[0].upper()}{label[1:]} against size and against compute. Small marks are single replicates, large "
        "ones means, crosses their confidence intervals. An epoch prices every edit of the graph once."
    )
    return section("What it costs", figure([("", drawings["tradeoff"])], caption, "long"))


def jobs_section(analysis: Analysis) -> Html:
    """Every job that has not finished, and in a fold every job with its command, numbers and page."""
    sweep = analysis.sweep
    pieces: list[Html] = []
    for status, title in ((Status.FAILED, "Failed"), (Status.UNFINISHED, "Running or interrupted")):
        if sweep.having(status):
            columns = [("job", "phrase"), ("error", "phrase")][: 2 if status is Status.FAILED else 1]
            rows = [[breakable(job.name), text(job.error)][: len(columns)] for job in sweep.having(status)]
            pieces.append(table(columns, rows, f"{title}: {len(rows)} of {len(sweep.jobs)} jobs"))
    missing = sweep.having(Status.MISSING)
    if missing:
        rows = [[breakable(job.name)] for job in missing]
        pieces.append(table([("job", "phrase")], rows, f"Not begun: {len(rows)} of {len(sweep.jobs)} jobs"))
    pieces.append(details(f"All {len(sweep.jobs)} jobs, with the command of each", _job_table(analysis)))
    return section("The jobs", *pieces)


def _job_table(analysis: Analysis) -> Html:
    sweep = analysis.sweep
    frame = sweep.frame.set_index("job")
    columns = [("job", "name"), ("status", "")]
    columns += [(metric_label(metric, unit=False), "number") for metric in analysis.metrics]
    columns += [("command that repeats it", "phrase")]
    by_name = {job.name: job for job in sweep.jobs}
    rows = []
    for name in frame.index:
        job = by_name[str(name)]
        values = [number(float(frame.loc[name, metric]), 4) for metric in analysis.metrics]
        command = tag("code", text(command_of(job) or DASH))
        rows.append([_link(job), text(str(job.status)), *values, command])
    return table(columns, rows, "Jobs by condition and replicate")


def _link(job: Job) -> Html:
    """A job's name, linked to its own page where it has one."""
    if not job.has_page:
        return breakable(job.name)
    return tag("a", breakable(job.name), href=findings.address(f"{job.name}/report.html"))


def reading_section(analysis: Analysis) -> Html:
    """What the words and numbers of the page mean, and what they rest on."""
    confidence = f"{100 * analysis.options.confidence:g} %"
    replicate = analysis.sweep.replicate
    entries = {
        "condition": "One combination of the settings that differ between jobs, apart from the replicate.",
        "replicate": f"A repetition of a condition with another {replicate}. Conditions with the same {replicate} "
        "share their data, so differences are taken pair by pair.",
        "interval": f"{confidence} confidence interval of the mean (Student t): what the mean of many more replicates "
        "would plausibly be. It speaks of these tasks and settings alone. One replicate has no interval.",
        "p": "Probability of a difference at least as large if the two conditions were the same, two-sided: paired "
        "t-test, and exact Wilcoxon signed-rank test (pairs without a difference dropped, ties given their mean rank). "
        "Shown after Holm's correction over all comparisons of a metric; the uncorrected value appears on hovering.",
        "ranks": "In every block (data and replicate), methods are ranked, ties sharing the mean of their ranks. "
        "Friedman's test asks whether average ranks could be chance; Iman and Davenport's form is less conservative.",
        "surprise per step": "Negative log predictive density of the data per row, summed over variables, in nats.",
    }
    return section("How to read this page", pairs({key: text(value) for key, value in entries.items()}, "terms"))


def repeat_section(analysis: Analysis) -> Html:
    """Commands, versions and commit."""
    sweep = analysis.sweep
    commands = list(dict.fromkeys(order.command for order in sweep.orders if order.command))
    first = [tag("pre", tag("code", text(command)), class_="command") for command in commands]
    if not first:
        first = [paragraph("The command of the sweep is not recorded; those of the jobs are above.")]
    groups = list(provenance_groups(sweep.jobs))
    pieces = [details(_group_title(names, groups), _environment(about)) for about, names in groups]
    return section("Repeat this sweep", *first, *pieces, details("Files", pairs(_files(analysis), "list")))


def _group_title(names: Sequence[str], groups: Sequence[Any]) -> str:
    if len(groups) == 1:
        return "Versions, commit and machine of every finished job"
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"Versions, commit and machine of {shown}"


def _environment(about: Mapping[str, Any]) -> Html:
    """Commit first, then machine and versions."""
    versions = about["versions"]
    entries: dict[str, Any] = {"commit": about["commit"] or "not recorded"}
    entries |= {key: about[key] for key in ("platform", "device", "threads") if about[key] is not None}
    entries |= {str(key): value or DASH for key, value in versions.items()} if isinstance(versions, dict) else {}
    return pairs({key: text(value) for key, value in entries.items()}, "list")


def _files(analysis: Analysis) -> dict[str, Html]:
    entries = {
        "tables/means": "the conditions (CSV, LaTeX)",
        "tables/jobs.csv": "every job with every metric",
        "tables/curves.csv": "surprise, edges and edits by job and epoch",
        "figures/": "the figures as SVG and PDF",
    }
    if analysis.baseline:
        entries["tables/comparisons"] = "differences to the baseline with their tests (CSV, LaTeX)"
    if analysis.rankings:
        entries["tables/ranks"] = "average ranks (CSV, LaTeX)"
    return {name: text(words) for name, words in entries.items()}
