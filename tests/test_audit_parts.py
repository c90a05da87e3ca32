"""What a user adds to an audit: a mask, a reference model. Matched filters of planted features are the oracle."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from app.html_reader import read
from PIL import Image
from torch import nn

from notbugs.app.report import write_report
from notbugs.audits import shifted
from notbugs.audits.saliency import planted_masks
from notbugs.data.planted import planted, truth_of
from notbugs.data.shards import read_tensors
from notbugs.errors import NotbugsError
from notbugs.jobs import (
    PLANS,
    Job,
    Subject,
    audit_job,
    read_shifts,
    read_usefulness,
    shifts_job,
    usefulness_job,
)
from notbugs.progress import silent
from notbugs.runs import Run
from notbugs.shifts import Band, WithoutColour
from notbugs.threats import L2, MaskFile

DATA = planted("test", count=200, spurious=True)
TRUTH = truth_of(DATA)
PLAN = replace(PLANS["quick"], sections=("reliance", "regions", "saliency"))


class RobustFilter(nn.Module):
    """Sees the planted shape and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.directions = nn.Parameter(TRUTH.directions("robust").flatten(1))

    def embed(self, images):
        return images.flatten(1) @ self.directions.T

    def forward(self, images):
        return self.embed(images)


def subject(feature):
    return Subject(model=TRUTH.matched_filter(feature), named=f"{feature} filter")


def mask_file(path, mask):
    Image.fromarray(mask.numpy().astype(np.uint8) * 255).save(path)
    return MaskFile(str(path))


def test_answers_follow_a_mask_or_stay(tmp_path):
    mask = mask_file(tmp_path / "mask.png", planted_masks(DATA)["spurious"][0])
    asked = {"threat": L2(0.5), "plan": PLAN, "mask": mask}
    subjects = [subject("spurious"), subject("robust")]
    run = audit_job(Job(root=tmp_path, seed=0), "audit", subjects, DATA, **asked)
    metrics = run.result["metrics"]
    assert metrics["1.regions.mask.follows"] > 0.95
    assert metrics["2.regions.mask.stays"] > 0.95
    assert metrics["1.saliency.mask.gradient.energy"] > 0.5 > metrics["2.saliency.mask.gradient.energy"]
    assert {flag["model"] for flag in run.result["flags"] if flag["name"] == "follows_the_mask"} == {1}
    page = read(write_report(run, originals=DATA).read_text())
    assert "What the mask covers, taken from another image" in page.text
    assert "the mask that was given" in page.text
    assert audit_job(Job(root=tmp_path, seed=0), "audit", subjects, DATA, **asked).result == run.result
    other = mask_file(tmp_path / "other.png", ~mask.mask)
    assert audit_job(Job(root=tmp_path, seed=0), "audit", subjects, DATA, **(asked | {"mask": other})) != run


def test_what_groups_share_is_tried_once(tmp_path):
    low, high, grey = Band(high=8), Band(low=8), WithoutColour()
    groups = {"low": {"without": high, "only": low}, "high": {"without": low, "only": high}}
    groups["colour"] = {"without": grey, "only": high}
    run = shifts_job(
        Job(root=tmp_path, seed=0), "shared", subject("robust"), DATA, groups=groups, seeds=(0, 1)
    )
    parts = sorted(run.path.glob("shard-*"))
    assert [len(read_tensors(part)["right"]) for part in parts] == [2, 1]
    alone = shifted(subject("robust").model, DATA, shifts=(low, high, grey), seeds=(0, 1))
    for group, shifts in groups.items():
        for name, shift in shifts.items():
            assert run.result["metrics"][f"{group}.{name}"] == alone.accuracy(shift).value
    found = read_shifts(run)
    assert [found.accuracy(one) for one in (low, high, grey)] == list(map(alone.accuracy, (low, high, grey)))
    parts[1].unlink()  # as earlier versions, whose parts held what groups share once for each
    with pytest.raises(NotbugsError, match="of an earlier version; delete"):
        read_shifts(run)


def test_a_mask_of_another_size_is_refused(tmp_path):
    small = mask_file(tmp_path / "mask.png", torch.eye(8, dtype=torch.bool))
    with pytest.raises(NotbugsError, match="the images have"):
        audit_job(
            Job(root=tmp_path / "runs", seed=0), "audit", [subject("robust")], DATA,
            threat=L2(0.5), plan=PLAN, mask=small,
        )  # fmt: skip
    assert not (tmp_path / "runs").exists()


def test_robust_features_are_told_from_the_rest_by_a_reference(tmp_path):
    plan = replace(PLAN, sections=("reliance",))
    run = audit_job(
        Job(root=tmp_path, seed=0), "audit", [subject("robust"), subject("nonrobust")], DATA,
        threat=L2(0.5), plan=plan, reference=RobustFilter(),
    )  # fmt: skip
    metrics = run.result["metrics"]
    # As often as each feature is right.
    assert metrics["1.conflict.robust"] == pytest.approx(TRUTH.p_robust, abs=0.07)
    assert metrics["1.conflict.rest"] < 0.1
    assert metrics["2.conflict.rest"] == pytest.approx(TRUTH.p_nonrobust, abs=0.05)
    assert metrics["2.conflict.robust"] < 0.1
    page = read(write_report(run, originals=DATA).read_text())
    assert "Follow the robust features" in page.text
    assert "of the answers follow the robust features" in page.text


@pytest.mark.parametrize(
    "data, reference, message",
    [
        (DATA, nn.Flatten(), r"has no embed\(\)"),
        (DATA.take(DATA.labels == 3), RobustFilter(), "holds one class"),
        (replace(DATA, labels=DATA.labels % 2, class_names=("a", "b")), RobustFilter(), "has 10 classes"),
    ],
)
def test_a_reference_that_does_not_fit_is_refused_before_any_work(tmp_path, data, reference, message):
    with pytest.raises(NotbugsError, match=message):
        audit_job(
            Job(root=tmp_path / "runs", seed=0), "audit", [subject("robust")], data,
            threat=L2(0.5), plan=PLAN, reference=reference,
        )  # fmt: skip
    assert not (tmp_path / "runs").exists()


def test_a_mask_must_name_a_part_of_the_image(tmp_path):
    for whole in (torch.ones, torch.zeros):
        with pytest.raises(NotbugsError, match="it names no part of the image"):
            mask_file(tmp_path / "mask.png", whole(32, 32, dtype=torch.bool))


class Filters(nn.Module):
    """Sees both planted features, each in units of its own."""

    def __init__(self) -> None:
        super().__init__()
        both = torch.cat([TRUTH.directions("robust"), TRUTH.directions("nonrobust")])
        self.directions = nn.Parameter(both.flatten(1))

    def embed(self, images):
        return images.flatten(1) @ self.directions.T

    def forward(self, images):
        return self.embed(images)[:, :10]


FEATURES = replace(PLANS["quick"], sections=("features",), units=20, unit_images=8)


def test_single_features_are_told_apart(tmp_path):
    data = planted("test", count=300)
    filters = Subject(model=Filters(), named="filters")
    asked = {"threat": L2(0.25), "plan": FEATURES}
    run = audit_job(Job(root=tmp_path, seed=0), "audit", [filters], data, **asked)
    assert run.result["metrics"] == {
        "features.robust": 0.5, "features.nonrobust": 0.5, "features.useless": 0.0,
    }  # fmt: skip
    units, found = read_usefulness(Run(run.path / run.result["stages"][0]["features"]))
    assert units.tolist() == list(range(20))
    assert found.kinds() == ["robust"] * 10 + ["non-robust"] * 10
    page = read(write_report(run, originals=data).read_text()).text
    assert "of 20 features 20 are useful, and 10 of these stay so under attack" in page
    assert "The 20 most useful features" in page
    some = audit_job(
        Job(root=tmp_path, seed=0), "audit", [filters], data, threat=L2(0.25), plan=replace(FEATURES, units=4)
    )
    units, _ = read_usefulness(Run(some.path / some.result["stages"][0]["features"]))
    assert units.tolist() == [0, 5, 10, 15]
    assert "4 of 20 were asked" in read(write_report(some, originals=data).read_text()).text


class Noisy(Filters):
    def embed(self, images):
        return super().embed(images) + 0.1 * torch.randn(len(images), 20)


class Rounded(Filters):
    def embed(self, images):
        return super().embed(images).round(decimals=2)


@pytest.mark.parametrize(("model", "flag"), [(Noisy, "stochastic_outputs"), (Rounded, "zero_gradients")])
def test_features_that_a_search_cannot_lower_are_flagged(model, flag, tmp_path):
    data, hidden = planted("test", count=200), Subject(model=model(), named="hidden")
    run = usefulness_job(
        Job(root=tmp_path, seed=0), "f", hidden, data, threat=L2(0.25), features=20, attacked=6
    )
    assert flag in [one["name"] for one in run.result["flags"]]


def test_parts_of_the_features_are_resumed(tmp_path, monkeypatch):
    data, filters = planted("test", count=200), Subject(model=Filters(), named="filters")
    whole = usefulness_job(
        Job(root=tmp_path / "whole", seed=0), "f", filters, data, threat=L2(0.25), features=20, attacked=6
    )

    def dies(done, total, note):
        if done >= 110:
            raise KeyboardInterrupt

    job = Job(root=tmp_path / "parts", seed=0, progress=dies)
    asked = {"threat": L2(0.25), "features": 20, "attacked": 6}
    with pytest.raises(KeyboardInterrupt):
        usefulness_job(job, "f", filters, data, **asked)
    again = usefulness_job(replace(job, progress=silent), "f", filters, data, **asked)
    assert torch.equal(read_usefulness(again)[1].gamma, read_usefulness(whole)[1].gamma)


def test_a_model_that_hides_its_features_has_no_such_section(tmp_path):
    data, hidden = planted("test", count=100), subject("robust")
    plan = replace(FEATURES, sections=("reliance", "features"))
    run = audit_job(Job(root=tmp_path, seed=0), "audit", [hidden], data, threat=L2(0.25), plan=plan)
    assert list(run.result["stages"][0]) == ["reliance"]
    with pytest.raises(NotbugsError, match="a model with embed"):
        audit_job(Job(root=tmp_path, seed=0), "audit", [hidden], data, threat=L2(0.25), plan=FEATURES)
    few = data.take(data.labels != 3)
    with pytest.raises(NotbugsError, match="two or more of every class"):
        audit_job(
            Job(root=tmp_path, seed=0), "audit", [Subject(model=Filters(), named="filters")], few,
            threat=L2(0.25), plan=FEATURES,
        )  # fmt: skip
