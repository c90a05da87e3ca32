"""The README says what is there, and its Python runs."""

import json
import re
from pathlib import Path

import torch
from torch import nn

import notbugs
from notbugs.data import LabeledImages
from notbugs.data.planted import planted

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def test_the_tree_is_what_is_on_disk() -> None:
    block = README.split("## The tree")[1].split("```")[1]
    listed, folder = set(), ""
    for line in block.strip().splitlines():
        name = line.split()[0]
        if name.endswith("/"):
            folder = name if not line.startswith(" ") else folder.split("/")[0] + "/" + name
        else:
            listed.add((folder if line.startswith(" ") else "") + name)
    source = ROOT / "src" / "notbugs"
    there = {
        str(path.relative_to(source))
        for path in source.rglob("*")
        if path.suffix in (".py", ".html", ".css", ".npz") and path.name != "__init__.py"
    }
    assert {name for name in listed if name != "__init__.py"} == there


def test_every_line_of_the_tree_says_something() -> None:
    block = README.split("## The tree")[1].split("```")[1]
    for line in block.strip().splitlines():
        name, *words = line.split()
        assert words, f"{name}: nothing is said of it"
        assert not line.endswith(("...", "…", ",", ".")), f"{name}: one whole phrase, without a full stop"
        assert len(line) <= 110


def test_the_planted_table_holds_the_committed_numbers() -> None:
    """Measured, and in brackets what the closed form gives, both rounded as they are printed."""
    result = json.loads((ROOT / "results" / "study-planted.json").read_text())
    lines = README.split("| trained on | clean |")[1].split("\n\n")[0].splitlines()[2:]
    measures = ("clean", "l2_0.25", "l2_0.5", "follows_robust", "follows_nonrobust")
    models = ("standard", "robust", "d_r", "d_nr", "d_rand", "d_det")
    for model, line in zip(models, lines, strict=True):
        cells = line.replace("*", "").strip("| ").split(" | ")[1:]
        for measure, cell in zip(measures, cells, strict=True):
            value, _, closed_form = cell.partition(" ")
            name = f"{model}.{measure}"
            assert abs(float(value) - 100 * result["metrics"][name]) <= 0.0501, name
            ends = result["between"].get(name) or [result["expected"].get(name)]
            numbers = [round(100 * end) for end in ends if end is not None]
            assert closed_form == (f"({' to '.join(map(str, numbers))})" if numbers else ""), name


def test_the_photographs_table_holds_the_committed_numbers() -> None:
    result = json.loads((ROOT / "results" / "study-dog-vs-cat.json").read_text())
    lines = README.split("On real photographs")[1].split("\n\n")[1].splitlines()[2:]
    for model, line in zip(("standard", "robust", "d_r", "d_nr", "d_det"), lines, strict=True):
        cells = line.replace("*", "").strip("| ").split(" | ")[1:]
        for measure, cell in zip(("clean", "l2_0.25", "l2_0.5"), cells, strict=True):
            assert abs(float(cell) - 100 * result["metrics"][f"{model}.{measure}"]) <= 0.0501, model


def test_the_cifar10_table_holds_the_committed_numbers() -> None:
    result = json.loads((ROOT / "results" / "study-cifar10-convnet.json").read_text())
    lines = README.split("All of CIFAR-10")[1].split("\n\n")[1].splitlines()[2:]
    rows = ("standard", "robust", "d_r", "d_r audited", "d_nr", "d_rand", "d_det")
    for row, line in zip(rows, lines, strict=True):
        model, _, audited = row.partition(" ")
        cells = line.replace("*", "").strip("| ").split(" | ")[1:]
        for measure, cell in zip(("clean", "l2_0.25", "l2_0.5"), cells, strict=True):
            name = f"{model}.{measure}" + ("_audit" if audited and measure != "clean" else "")
            value, _, published = cell.partition(" ")
            assert abs(float(value) - 100 * result["metrics"][name]) <= 0.0501, name
            if published:
                assert abs(float(published.strip("()")) - 100 * result["published"][name]) <= 0.0501, name


def test_the_critics_table_holds_the_committed_numbers() -> None:
    result = json.loads((ROOT / "results" / "study-critic.json").read_text())
    lines = README.split("Robustness as a choice")[1].split("\n\n")[1].splitlines()[2:]
    for model, line in zip(("standard", "critic", "untagged"), lines, strict=True):
        cells = line.replace("*", "").strip("| ").split(" | ")[1:]
        for name, cell in zip(
            ("clean_accuracy", "reliance.spurious.without", "regions.strongest"), cells, strict=True
        ):
            assert abs(float(cell) - 100 * result["metrics"][f"{model}.{name}"]) <= 0.0501, model


def test_the_critics_numbers_on_photographs_are_the_committed_ones() -> None:
    metrics = json.loads((ROOT / "results" / "study-critic-tagged.json").read_text())["metrics"]
    said = README.split("On\nCIFAR-10 with such a tag")[1].split("(n = 1000")[0]
    numbers = [float(number) for number in re.findall(r"\d+\.\d", said)]
    names = ("clean_accuracy", "regions.strongest")
    found = [
        100 * metrics[f"{model}.{name}"] for model in ("standard", "critic", "untagged") for name in names
    ]
    assert all(abs(one - other) <= 0.0501 for one, other in zip(numbers, found, strict=True))


def test_what_is_said_of_counterfactuals_is_the_committed_result() -> None:
    result = json.loads((ROOT / "results" / "counterfactuals.json").read_text())
    said = README.split("The smallest change to another answer")[1].split("(n = 500")[0]
    numbers = [float(number) for number in re.findall(r"(\d+\.\d) %", said)]
    shares = {name: one["energy_inside"] for name, one in result["models"].items()}
    names = ("robust, tagged", "robust, never tagged", "standard, tagged")
    assert all(
        abs(number - 100 * shares[name]["mean"]) <= 0.0501
        for number, name in zip(numbers, names, strict=True)
    )
    assert result["n"] == 500
    assert shares["robust, tagged"]["interval"][0] >= 0.9
    assert shares["robust, never tagged"]["interval"][1] <= 0.2
    assert all(one["interval"][1] - one["mean"] <= 0.008 for one in shares.values())


def test_the_spectrum_table_holds_the_committed_numbers() -> None:
    result = json.loads((ROOT / "results" / "study-spectrum.json").read_text())
    lines = README.split("What robustness costs")[1].split("\n\n")[1].splitlines()[2:]
    names = (
        "clean_accuracy", "corruption.mean", "corruption.gaussian_noise.mean", "noise.high.8", "corruption.fog.mean",
        "corruption.contrast.mean", "noise.low.2", "robust_accuracy",
    )  # fmt: skip
    models = [one["named"] for one in result["config"]["models"]]
    assert len(models) == 6
    for model, line in zip(models, lines, strict=True):
        for name, cell in zip(names, line.strip("| ").split(" | ")[1:], strict=True):
            assert abs(float(cell) - 100 * result["metrics"][f"{model}.{name}"]) <= 0.0501, (model, name)


def test_the_ten_lines_run() -> None:
    """On few images and a small network, a step each; the calls are the README's own."""
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    code = re.sub(r'nb\.load\([^)]*split="test"\)', 'tiny("test")', code)
    code = re.sub(r"nb\.load\([^)]*\)", 'tiny("train")', code)
    code = code.replace('"wrn-10-2", classes=2', '"convnet-16-16-16-16", classes=10')
    code = (
        code.replace("nb.recipes.FAST", "short")
        .replace("steps=60", "steps=1")
        .replace("steps=100", "steps=1")
    )

    def tiny(split: str) -> LabeledImages:
        return planted(split, count=40)

    names = {"tiny": tiny, "short": notbugs.TrainConfig(epochs=1, lr=0.1, batch_size=20)}
    lines = code.strip().splitlines()
    assert len([line for line in lines if line and not line.startswith(("import", "#"))]) <= 10
    exec("\n".join(lines), names)
    assert names["d_det"].labels.tolist() == ((names["data"].labels + 1) % 10).tolist()


def test_any_network_is_wrapped_as_the_readme_says() -> None:
    (call,) = re.findall(r"`(nb\.wrap\(.*?\))` gives", README)
    model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 2))
    wrapped = eval(call, {"nb": notbugs, "model": model})
    assert wrapped.embed(torch.zeros(1, 3, 32, 32)).shape == (1, 5)


def test_the_public_names_are_all_there() -> None:
    for name in notbugs.__all__:
        assert getattr(notbugs, name) is not None
    assert set(notbugs._HOMES) | {"recipes"} == set(notbugs.__all__)
    assert len(notbugs.__all__) <= 30


def test_the_numbers_of_the_controls_are_those_of_the_committed_results() -> None:
    said = README.split("**What would prove it wrong.**")[1].split("\n\n")[0]
    numbers = {
        "sources": ("det_standard.clean", "det_robust.clean"),
        "untransferable": ("standard.fooled_by_alone_test", "alone.clean", "ordinary.clean"),
    }
    for name, metrics in numbers.items():
        result = json.loads((ROOT / "results" / f"control-{name}.json").read_text())
        for metric in metrics:
            assert f"{100 * result['metrics'][metric]:.1f}" in said, metric
