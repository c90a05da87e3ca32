"""What the models and sets of a study are called, and what each model was trained on, in words."""

from collections.abc import Mapping
from typing import Any

from notbugs.threats import parse_threat

MODELS = {
    "standard": "Standard model",
    "robust": "Robust model",
    "brief": "Briefly trained model",
    "d_r": "Student of D_R",
    "d_nr": "Student of D_NR",
    "d_rand": "Student of D_rand",
    "d_det": "Student of D_det",
}
SETS = {
    "data": "the data as they are",
    "test": "the test images",
    "d_r": "D_R",
    "d_nr": "D_NR",
    "d_rand": "D_rand",
    "d_det": "D_det",
}


def model_title(result: Mapping[str, Any], key: str) -> str:
    """What the study calls this model."""
    return dict(result.get("models", ())).get(key) or MODELS.get(key) or key.replace("_", " ").capitalize()


def set_title(result: Mapping[str, Any], key: str) -> str:
    """What the study calls this set."""
    return dict(result.get("sets", ())).get(key) or SETS.get(key) or key.replace("_", " ")


def stage_title(result: Mapping[str, Any], stage: str) -> str:
    """What a stage is about: a set, or the model that is trained or tested in it."""
    if stage.startswith("data_"):
        return set_title(result, stage.removeprefix("data_"))
    tested = stage.removeprefix("test_").partition(".")[0]
    is_model = tested in dict(result.get("models", ()))
    return model_title(result, tested) if is_model else MODELS.get(tested, stage)


def trained_on(result: Mapping[str, Any], key: str) -> str:
    """What model `key` was trained on, and what is not the study's usual way about it."""
    study = result["config"]["study"]
    model = study["models"][key]
    text = _images(result, model["on"])
    if model["type"] == "Probed":
        of = model_title(result, model["of"])
        return f"a linear classifier of the {model['layer']} of “{of}”, on {text}"
    if key == "brief":
        text += ", for fewer epochs"
    if model["how"].get("contrast"):
        text += ", without their labels"
    if model["how"]["attack"]:
        text += ", against an adversary"
    return text + (f"; {model['arch']}" if model["arch"] not in ("", study["arch"]) else "")


def _images(result: Mapping[str, Any], key: str) -> str:
    """The images of a set, in words."""
    study = result["config"]["study"]
    if key not in study["sets"]:
        return SETS[key]
    one = study["sets"][key]
    of = "images" if one["of"] == "data" else set_title(result, one["of"])
    match one["type"]:
        case "Built":
            return _built(result, one)
        case "First":
            return f"the first {one['count']} images"
        case "Mixture":
            return f"{100 * one['share']:g} % {of}, the rest {set_title(result, one['beside'])}"
        case "Mislabelled":
            return f"{of}, only those under a wrong label"
        case "RightlyLabelled":
            return f"{of}, under the original labels"
    return of


def _built(result: Mapping[str, Any], one: Mapping[str, Any]) -> str:
    builder, teacher = one["builder"], model_title(result, one["by"])
    teacher, threat = begun_small(teacher), pushed_within(builder)
    if threat:
        how = push_text(threat, result["config"]["study"]["threat"])
        labels = "every label wrong (y + 1)" if builder["targets"] == "next" else "under random labels"
        by = "" if one["by"] in ("standard", "brief") else f" against the {teacher}"
        by += ", so that no other model is moved" if one["others"] else ""
        return f"images changed {how}{by}, {labels}"
    if "start" in builder:
        start = ", from noise" if builder["start"] == "noise" else ""
        return f"images rebuilt from the {teacher}’s features{start}"
    return f"images as they are, under the answers of the {teacher}"


def pushed_within(builder: Mapping[str, Any]) -> str:
    """The threat that a builder pushes images within, where it does."""
    return str(builder.get("attack", builder).get("threat", ""))


def begun_small(text: str) -> str:
    """For the middle of a sentence; D_R and its like stay as they are.

    >>> begun_small("Student of D_R"), begun_small("D_R of the test images")
    ('student of D_R', 'D_R of the test images')
    """
    return text if text.startswith("D_") else text[:1].lower() + text[1:]


def push_text(threat: str, studied: str) -> str:
    """How far images were changed: called imperceptible only inside the budget that the study is about."""
    push, budget = parse_threat(threat), parse_threat(studied) if studied else None
    is_within = budget is not None and type(push) is type(budget) and push.eps <= budget.eps
    return f"{'imperceptibly, ' if is_within else ''}within {budget_text(threat)}"


def budget_text(threat: str) -> str:
    """A threat for people: `l2:0.5` as `L2 ε = 0.5`, `l2:2@band:10-16` as `L2 ε = 2, held to band:10-16`."""
    ball, at, family = threat.partition("@")
    held = f", held to {family.partition('#')[0]}" if at else ""
    return f"{norm_text(ball)} ε = {ball.partition(':')[2]}{held}"


def norm_text(threat: str) -> str:
    """Its norm: `linf:8/255` as `L∞`."""
    norm = threat.partition(":")[0]
    return {"l1": "L1", "l2": "L2", "linf": "L∞"}.get(norm, norm)


__all__ = [
    "MODELS", "SETS", "begun_small", "budget_text", "model_title", "norm_text", "push_text", "pushed_within",
    "set_title", "stage_title", "trained_on",
]  # fmt: skip
