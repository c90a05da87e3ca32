"""The section of an audit's report about single features: how useful each is, and what an adversary leaves of it."""

import torch

from notbugs.app.audited_models import Page, whose
from notbugs.app.blocks import Block, Entry, Figure, Grid, Section
from notbugs.app.charts import chart_drawing
from notbugs.app.naming import budget_text
from notbugs.app.rows import percent
from notbugs.features import USEFUL, Usefulness
from notbugs.jobs import read_usefulness
from notbugs.lessons import Chart, Panel, Series

LISTED = 20
KINDS = ("robust", "non-robust", "useless")


def feature_section(page: Page) -> Section:
    """rho against gamma for every model, how many features are of each kind, and the most useful ones one by one."""
    models = page.having("features")
    found = {model.label: read_usefulness(model.stages["features"]) for model in models}
    config = models[0].results["features"]["config"]
    first = next(iter(found.values()))[1]
    told, lists = [], []
    for label, (units, one) in found.items():
        kinds = one.kinds()
        useful = len(kinds) - kinds.count("useless")
        told.append(
            f"{whose(label, models)}of {len(kinds)} features {useful} are useful, and {kinds.count('robust')} of "
            f"these stay so under attack within {budget_text(str(one.threat))}."
        )
        lists.append(_most_useful(units, one, page, label if len(models) > 1 else ""))
    chart = Chart(
        title="Useful, and useful under attack",
        caption="Each point is a feature of the layer before the last: across, its correlation rho with the class "
        "that it tells best, against all others, both sides counting half; up, what is left of that when each image "
        f"moves so as to lower it, gamma. Useful: rho of {USEFUL:g} or more, and beyond noise; robust: and gamma "
        f"above 0. gamma is searched for, each feature by itself, on {first.attacked} images from two starts: an "
        f"upper bound. rho: n = {first.n}.",
        panels=[_panel(label if len(models) > 1 else "", one) for label, (_, one) in found.items()],
    )
    asked = (
        "" if config["features"] == config["of"] else f" {config['features']} of {config['of']} were asked."
    )
    grid = Grid(
        caption="How many of the features are of each kind, in percent; in small 95 % intervals: what these were "
        "if every rho and gamma lay 1.96 standard errors lower, or higher, and, where not all were asked, what "
        f"others might have been.{asked}",
        head=("Model", *(kind.capitalize() for kind in KINDS)),
        rows=[
            (
                model.label,
                tuple(model.entry("features", key) for key in ("robust", "nonrobust", "useless")),
            )
            for model in models
        ],
    )
    figure = Figure(title=chart.title, caption=chart.caption, drawing=chart_drawing(chart, "usefulness"))
    blocks: list[Block] = [figure, grid, *lists]
    return Section(
        key="features",
        title="Single features",
        intro="What Ilyas et al. (2019, section 2) call useful, robustly useful, and useful and not robust, asked of "
        "each feature that the last layer sees. A feature here has mean 0 and variance 1.",
        findings=told,
        blocks=blocks,
    )


def _panel(title: str, one: Usefulness) -> Panel:
    kinds, rho, gamma = one.kinds(), one.rho.tolist(), one.gamma.tolist()
    series = [
        Series(
            label=kind,
            x=[r for r, k in zip(rho, kinds, strict=True) if k == kind],
            y=[g for g, k in zip(gamma, kinds, strict=True) if k == kind],
            style="points",
        )
        for kind in KINDS  # also those that there are none of: a kind has the same colour in every panel
    ]
    ends = [0.0, max([*rho, USEFUL])]
    whole = Series(label="rho = gamma: nothing lost", x=ends, y=ends, style="dashed")
    return Panel(title=title, x="rho", y="gamma", series=[*series, whole])


def _most_useful(units: torch.Tensor, one: Usefulness, page: Page, label: str) -> Grid:
    names = page.originals.class_names if page.originals is not None else None
    kinds = one.kinds()
    rows = []
    for place in one.rho.argsort(descending=True)[:LISTED].tolist():
        best = int(one.classes[place])
        tells = names[best] if names else str(best)
        rows.append(
            (
                f"feature {int(units[place])}",
                (
                    Entry(tells if one.signs[place] > 0 else f"not {tells}"),
                    _number(one.rho[place], one.rho_errors[place]),
                    _number(one.gamma[place], one.gamma_errors[place]),
                    Entry(kinds[place]),
                ),
            )
        )
    return Grid(
        caption=f"The most useful features{f', {label}' if label else ''}: what each tells, with standard errors "
        f"over images. {percent(float((one.gamma > 0).double().mean()))} % of all have gamma above 0.",
        folded=f"The {len(rows)} most useful features{f', {label}' if label else ''}",
        head=("Feature", "Tells", "rho", "gamma", "Kind"),
        rows=rows,
    )


def _number(value: torch.Tensor, error: torch.Tensor) -> Entry:
    return Entry(f"{float(value):.3f}", f"± {float(error):.3f}", float(value))


__all__ = ["feature_section"]
