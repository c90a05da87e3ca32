"""`notbugs study`: the main job."""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from socket import gethostname
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from notbugs.app.cli import app
from notbugs.app.options import (
    DEFAULT,
    Common,
    DataRoot,
    execution_of,
    load_images,
    say,
    settled,
    show,
)
from notbugs.errors import NotbugsError, unknown
from notbugs.locations import Location

if TYPE_CHECKING:
    from notbugs.comparison import Comparison
    from notbugs.data import LabeledImages
    from notbugs.execution import Watch
    from notbugs.study import Study


@app.command
def study(
    name: Annotated[
        str,
        Parameter(
            help="planted, digits, dog-vs-cat, cifar10; spectrum, filtered, critic; the controls sources, "
            "robust-set, untransferable, leakage, mislabelled, transfer, data-efficiency, paradigms."
        ),
    ] = "",
    /,
    *,
    data: Annotated[
        str, Parameter(help="Another source of images for the recipe; see `notbugs train --help`.")
    ] = "",
    data_root: DataRoot = None,
    arch: Annotated[str, Parameter(help="Another network for all models.")] = "",
    recipe: Annotated[
        Literal["fast", "paper"], Parameter(help="The paper's own hyperparameters, or a fast preset.")
    ] = "fast",
    common: Common = DEFAULT,
) -> None:
    """The main job: the whole decomposition of a data set into robust and non-robust features.

    Trains a standard and a robust model, builds D_R, D_NR, D_rand and D_det, trains a student on each, tests all,
    and writes result.json and report.html. A study that was interrupted goes on where it was.

    `spectrum`, `filtered` and `critic` are comparisons instead: models that are trained alike but for one thing and
    audited side by side. The controls are studies that could refute what these seem to show: each says what it
    expects, from whom, and whether that came out. What it takes is said first.

    Example: notbugs study dog-vs-cat --data-root data/cifar10
    """
    from notbugs import recipes
    from notbugs.app.progress import watching
    from notbugs.app.report import write_report
    from notbugs.jobs import model_spec
    from notbugs.study import open_study, rejudged, run_study

    common = settled(common)
    if name in recipes.COMPARISONS:
        _compare(name, data, data_root, arch, common)
        return
    recipe_itself = _chosen_study(name, data, recipe)
    chosen = _changed(recipe_itself, data, arch)
    images = load_images(chosen.source, data_root, common)
    test = load_images(chosen.source, data_root, common, split="test")
    model_spec(chosen.arch, images)  # refused before anything is written
    keywords: dict[str, Any] = {"root": common.out, "seed": common.seed, "precision": common.precision}
    run = open_study(chosen, images, test, **keywords).run
    was_done = run.is_done
    if not was_done:
        if not common.quiet:
            is_own = (chosen.source, chosen.arch) == (recipe_itself.source, recipe_itself.arch)
            time = f"; takes {chosen.duration}" if is_own and chosen.duration else ""
            say(f"{chosen.name}: {images}, {chosen.arch}, {chosen.threat}{time}")
        with watching(quiet=common.quiet) as watch:
            if common.on == "ray" or (images.images.device.type == "cpu" and (os.cpu_count() or 1) > 1):
                _prepare(chosen, data_root, common, run.path, watch)
            run_study(chosen, images, test, watch=watch, **keywords)
    is_changed = was_done and rejudged(chosen, run)
    if is_changed or not (was_done and run.report.is_file()):
        write_report(run, originals=images)
    show(run, common)


def _compare(name: str, data: str, data_root: Location | None, arch: str, common: Common) -> None:
    """A recipe that trains models side by side and audits them."""
    from notbugs import recipes
    from notbugs.app.progress import watching
    from notbugs.app.report import write_report
    from notbugs.comparison import run_comparison
    from notbugs.data.shifted import split_source, under_shift

    whole = cache(partial(load_images, root=data_root, common=common))
    make: Callable[..., "Comparison"] = recipes.COMPARISONS[name]
    if name == "critic" and data not in ("", "planted-spurious"):
        height, width = whole(data).images.shape[2:]
        make = partial(recipes.critic_of_photographs, image_size=(height, width))
    recipe = make()
    chosen = make(data) if data else recipe
    chosen = replace(chosen, arch=arch or chosen.arch)
    if (chosen.source, chosen.arch) != (recipe.source, recipe.arch):
        chosen = replace(chosen, duration="")

    def images(model: str) -> "LabeledImages":
        source, shift = split_source(chosen.source_of(model))
        return under_shift(whole(source), shift, seed=common.seed) if shift else whole(source)

    test = load_images(chosen.source, data_root, common, split="test")
    if not common.quiet:
        time = f"; takes {chosen.duration}" if chosen.duration else ""
        say(f"{chosen.name}: {', '.join(chosen.models)}; {whole(chosen.source)}, {chosen.arch}{time}")
    with watching(quiet=common.quiet) as watch:
        run = run_comparison(
            chosen,
            images,
            test,
            root=common.out,
            seed=common.seed,
            precision=common.precision,
            watch=watch,
            on=execution_of(common),
        )
    write_report(run, originals=test.part(chosen.tested))
    show(run, common)


def _prepare(
    study: "Study", data_root: Location | None, common: Common, there: Location, watch: "Watch"
) -> None:
    """Run the stages that do not need each other side by side, `there`; `run_study` then finds them done."""
    from notbugs.execution import side_by_side
    from notbugs.study import Built, Trained

    work = partial(_stage, study, data_root, common, there)

    def is_fast(name: str) -> bool:
        one = study.models[name]
        return not (isinstance(one, Trained) and one.how.attack)

    # The longest first: attacked in every step. Tests fill the gaps.
    models = sorted(study.models, key=is_fast)
    sets = [f"data_{name}" for name, one in study.sets.items() if isinstance(one, Built)]
    tests = [f"test_{name}" for name in study.measured]
    after = {stage: study.needed_by(stage) for stage in (*models, *sets)}
    after |= {f"test_{name}": study.measured_with(name) for name in study.measured}
    tasks = {stage: partial(work, stage) for stage in (*models, *sets, *tests)}
    workers = min(os.cpu_count() or 1, len(models))
    # Of a set that is built every shard is a task of its own.
    side_by_side(
        tasks, after=after, workers=workers, watch=watch, on=execution_of(common), hands_on=frozenset(sets)
    )


def _stage(
    study: "Study", data_root: Location | None, common: Common, there: Location, stage: str, watch: "Watch"
) -> None:
    """One stage, in a worker: a study's directories are all that it shares with the others.

    Raises NotbugsError if the worker does not see them, or would compute something else.
    """
    from notbugs.execution import LOCAL
    from notbugs.study import open_study

    if not (there / "config.json").is_file():
        raise NotbugsError(f"{gethostname()} does not see {there}: all machines need the same --out")
    images, test = _both_splits(study.source, data_root, common)
    on = execution_of(common) if stage.startswith("data_") else LOCAL
    stages = open_study(
        study, images, test, root=common.out, seed=common.seed, precision=common.precision, watch=watch, on=on
    )
    if stages.run.path != there:
        raise NotbugsError(
            f"on {gethostname()} this would be another study, {stages.run.path.name}: all machines need the same "
            "version of notbugs and the same images"
        )
    if stage in study.models:
        stages.model(stage)
    elif stage.startswith("data_"):
        stages.built(stage.removeprefix("data_"))
    else:
        stages.tested(stage.removeprefix("test_"))


@cache
def _both_splits(
    source: str, data_root: Location | None, common: Common
) -> tuple["LabeledImages", "LabeledImages"]:
    """Training and test images, read once a worker; their digests as well, for which all of them are decoded."""
    return load_images(source, data_root, common), load_images(source, data_root, common, split="test")


def _chosen_study(name: str, data: str, recipe: str) -> "Study":
    """The recipe by name, or the one whose own images these are; other images are treated as photographs."""
    from notbugs import recipes

    if not name:
        own = {made().source: key for key, made in recipes.STUDIES.items() if key != "paper"}
        own["planted-spurious"] = "planted"
        name = own.get(data or "planted", "photographs")
    studies = recipes.STUDIES | recipes.CONTROLS
    if name not in studies:
        hidden = ("paper", "photographs", "critic-tagged")
        raise unknown("study", name, [key for key in studies | recipes.COMPARISONS if key not in hidden])
    if recipe == "paper":
        if name not in ("cifar10", "paper"):
            raise NotbugsError(
                f"the paper's hyperparameters are for cifar10, not {name}; use: notbugs study cifar10"
            )
        name = "paper"
    chosen = studies[name]()
    if not (data or chosen.source):
        raise NotbugsError(f"{name} has no images of its own; name some: notbugs study --data folder:PATH")
    return chosen


def _changed(recipe: "Study", data: str, arch: str) -> "Study":
    """The recipe with the images and the network asked for."""
    study = recipe.with_arch(arch) if arch else recipe
    if data in ("", recipe.source):
        return study
    # The published numbers are about the recipe's own images.
    claims = [claim.unpublished() for claim in study.claims]
    return replace(study, source=data, published={}, published_in="", claims=claims)
