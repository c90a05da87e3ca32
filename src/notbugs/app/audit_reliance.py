"""The section of an audit's report about families of features, taken away and left alone."""

from notbugs.app.audited_models import Page, whose
from notbugs.app.blocks import Block, Figure, Grid, Section
from notbugs.app.rows import percent
from notbugs.app.shift_blocks import bars, heads, looks, one_image
from notbugs.audits.reliance import ablations
from notbugs.jobs import shift_groups


def reliance_section(page: Page) -> Section:
    """Accuracy without each family of features, and with it alone."""
    models = page.having("reliance")
    groups = list(shift_groups(models[0].stages["reliance"]))
    told = []
    for model in models:
        clean = model.value("reliance", "clean_accuracy")
        lost = {name: clean - model.value("reliance", f"{name}.without") for name in groups}
        most = max(lost, key=lambda name: lost[name])
        told.append(
            f"{whose(model.label, models)}it loses most without {most}: {percent(clean)} % become "
            f"{percent(clean - lost[most])} %."
        )
    grid = Grid(
        caption="Accuracy in percent with 95 % intervals when a family of features is taken away (“without”), and "
        "when it is left alone (“only”), as far as that can be done.",
        head=("Family", *heads(models, "without"), *heads(models, "only")),
        rows=[
            (
                "all features",
                tuple(model.entry("reliance", "clean_accuracy") for _ in range(2) for model in models),
            ),
            *(
                (
                    name,
                    tuple(
                        model.entry("reliance", f"{name}.{what}")
                        for what in ("without", "only")
                        for model in models
                    ),
                )
                for name in groups
            ),
        ],
    )
    figures = [
        Figure(
            title=title,
            caption="Whiskers: 95 % intervals; dotted: chance.",
            drawing=bars(list(groups), models, "reliance", [f"{name}.{what}" for name in groups], page, what),
        )
        for what, title in (("without", "Without each family"), ("only", "With each family only"))
    ]
    strips = []
    if page.originals is not None:
        shifts = {one.name: one for one in ablations(page.originals) if one.name in groups}
        for title, pick in (("Without", "removed"), ("Only", "kept")):
            chosen = {name: getattr(family, pick) for name, family in shifts.items()}
            strips += one_image(page.originals, title, chosen)
    intro = (
        "What the model relies on shows when it is taken away, and when nothing else is left. Low and high "
        "frequencies are divided at patterns of four pixels; shape goes when patches are put in random order, "
        "texture under a median filter."
    )
    told += _conflict_said(page)
    blocks: list[Block] = [*figures, grid, *_conflict(page), *looks(strips)]
    return Section(
        key="reliance",
        title="What it relies on",
        intro=intro,
        findings=told,
        blocks=blocks,
    )


def _conflict(page: Page) -> list[Grid]:
    """Robust features of one class, all else of another."""
    models = page.having("conflict")
    if not models:
        return []
    n = models[0].results["conflict"]["config"]["n"]
    return [
        Grid(
            caption="Images with the robust features of one class, as the reference model sees them, in an image of "
            f"another: answers in percent with 95 % intervals; n = {n}.",
            head=("Model", "Follow the robust features", "Follow the rest"),
            rows=[
                (model.label, (model.entry("conflict", "robust"), model.entry("conflict", "rest")))
                for model in models
            ],
        )
    ]


def _conflict_said(page: Page) -> list[str]:
    models = page.having("conflict")
    return [
        f"{whose(model.label, models)}where the robust features are of one class and the rest of another, "
        f"{percent(model.value('conflict', 'robust'))} % of the answers follow the robust features and "
        f"{percent(model.value('conflict', 'rest'))} % the rest."
        for model in models
    ]


__all__ = ["reliance_section"]
