"""What a built data set is, in words and numbers, from its manifest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from notbugs.app.naming import budget_text, push_text, pushed_within
from notbugs.app.repeating import quoted, shell_word
from notbugs.data.shards import read_origin
from notbugs.runs import Run

_WHAT = {
    "robust": "Only what the robust model sees: its features of the original, put into another image.",
    "nonrobust": "Only what the standard model sees: its features of the original, put into another image.",
    "rand": "Each image pushed, {how}, towards a class drawn at random, and so labelled.",
    "det": "Each image pushed, {how}, towards the next class, and so labelled: every label is wrong.",
    "answered": "Each image as it is, under the label that the model gives it, right or wrong.",
}
_AIMS = {"random": "a random class", "next": "the next class (y + 1)"}


@final
@dataclass(frozen=True, kw_only=True)
class BuiltSet:
    """One built data set: facts are (name, text) pairs, in order."""

    name: str
    what: str
    facts: tuple[tuple[str, str], ...]
    load: str
    export: tuple[str, str]  # the command in two parts: a line may break only between them


def built_set(stage: Run, *, title: str = "", teacher: str = "", studied: str = "") -> BuiltSet:
    """The facts of the data set in this run directory; a study has a `title` for it, and `studied` is its threat."""
    manifest, config, result = read_origin(stage.path), stage.config, stage.result
    recipe = manifest["recipe"]
    facts = [
        ("images", f"{result['metrics']['n']} in {len(manifest['shards'])} shards"),
        ("built with", f"{teacher} {manifest['model'][:12]}".strip()),
        ("how", _how(config["builder"])),
    ]
    facts += _measured(manifest["measured"])
    facts += [
        ("seed", str(recipe["seed"])),
        ("made from", f"{config['data']['name']} {manifest['parent'][:12]}"),
        ("licence", manifest["licence"]),
        ("time", f"{result['seconds']:.1f} s, searched in {config['precision']}"),
    ]
    return BuiltSet(
        name=title or manifest["name"],
        what=_WHAT.get(recipe.get("kind", ""), "").format(how=_pushed(config["builder"], studied)),
        facts=tuple(facts),
        load=f"nb.load({quoted(f'built:{stage.path}')})",
        export=(f"notbugs export {shell_word(str(stage.path))}", "--to parquet"),
    )


def _pushed(builder: Mapping[str, Any], studied: str) -> str:
    threat = pushed_within(builder)
    return push_text(threat, studied) if threat else ""


def _how(builder: Mapping[str, Any]) -> str:
    attack = builder.get("attack")
    if attack is not None:
        return (
            f"targeted PGD towards {_AIMS[builder['targets']]}, {budget_text(attack['threat'])}, "
            f"{attack['steps']} steps of {attack['step_size']:g}, {attack['keep']} iterate"
        )
    if builder["type"] == "Answered":
        return "the images as they are, labelled with that model’s answers"
    if builder["type"] == "PushAlone":
        return (
            f"descent towards {_AIMS[builder['targets']]} on that model and away from any change of the others’ "
            f"answers, {budget_text(builder['threat'])}, {builder['steps']} steps of {builder['step_size']:g}"
        )
    start = {"images": "another image", "noise": "noise"}[builder["start"]]
    return (
        f"match of the penultimate features from {start}, {builder['steps']} steps of L2 length "
        f"{builder['step_size']:g}, {builder['keep']} iterate"
    )


def _measured(measured: Mapping[str, float]) -> list[tuple[str, str]]:
    """What the manifest measured, in words; a name that is not known here is printed as it is."""
    left = dict(measured)
    facts = []
    if "fooling_rate" in left:
        rate = left.pop("fooling_rate")
        facts.append(("fools that model", f"{100 * rate:.1f} % of the images"))
    if {"feature_residual", "feature_residual_at_start"} <= set(left):
        before, after = left.pop("feature_residual_at_start"), left.pop("feature_residual")
        facts.append(
            ("distance of the features", f"{before:.3f} before, {after:.3f} after, of the original’s length")
        )
    if "mean_distance" in left:
        text = f"{left.pop('mean_distance'):.3f} in the mean"
        if "max_distance" in left:
            text += f", {left.pop('max_distance'):.3f} at most"
        facts.append(("distance from the original", text))
    return facts + [(name.replace("_", " "), f"{value:.3f}") for name, value in left.items()]


__all__ = ["BuiltSet", "built_set"]
