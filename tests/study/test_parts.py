"""Sets that follow from others, and studies whose names mean nothing or go round."""

from dataclasses import replace

import pytest
import torch

from notbugs import load, recipes
from notbugs.data.planted import planted
from notbugs.errors import NotbugsError
from notbugs.features import Answered, MatchEmbeddings, PushToTarget
from notbugs.seeds import generator
from notbugs.study import (
    Built,
    First,
    Mislabelled,
    Mixture,
    More,
    Plot,
    Probed,
    RightlyLabelled,
    Study,
    Trained,
    open_study,
)
from notbugs.threats import L2
from notbugs.training import Contrast, TrainConfig

HOW = TrainConfig(epochs=1, lr=0.1)
DIGITS = load("digits").first(60)


def changed(data):
    """The images darker, every third label wrong."""
    wrong = torch.arange(len(data)) % 3 == 0
    return replace(
        data,
        images=data.images / 2,
        labels=torch.where(wrong, (data.labels + 1) % 10, data.labels),
        columns={"original_label": data.labels},
    )


SETS = {"data": DIGITS, "built": changed(DIGITS), "short": changed(DIGITS.first(10))}


def derived(one):
    return one.derived(SETS.__getitem__, generator=generator(0))


def test_the_first_images():
    assert torch.equal(derived(First(count=7)).images, DIGITS.first(7).images)
    with pytest.raises(NotbugsError, match="the first 61 images were asked for"):
        derived(First(count=61))
    with pytest.raises(NotbugsError, match="count must be positive"):
        First(count=0)


def test_a_mixture_takes_each_row_from_one_of_both():
    mixed = derived(Mixture(of="built", share=0.5))
    from_built = (mixed.images == SETS["built"].images).flatten(1).all(1)
    from_data = (mixed.images == DIGITS.images).flatten(1).all(1)
    assert (from_built ^ from_data).all()
    assert 15 < int(from_built.sum()) < 45
    assert torch.equal(mixed.labels, torch.where(from_built, SETS["built"].labels, DIGITS.labels))
    for share, name in ((0.0, "data"), (1.0, "built")):
        assert derived(Mixture(of="built", share=share)).digest == SETS[name].digest
    with pytest.raises(NotbugsError, match="sets of one length"):
        derived(Mixture(of="short", share=0.5))
    with pytest.raises(NotbugsError, match=r"share must lie in \[0, 1\], got 1.5"):
        Mixture(of="built", share=1.5)


def test_only_wrong_labels_and_only_right_ones():
    wrong = derived(Mislabelled(of="built"))
    assert len(wrong) == 20
    assert (wrong.labels != wrong.columns["original_label"]).all()
    right = derived(RightlyLabelled(of="built"))
    assert torch.equal(right.labels, DIGITS.labels)
    assert torch.equal(right.images, SETS["built"].images)
    SETS["all right"] = replace(DIGITS, columns={"original_label": DIGITS.labels})
    with pytest.raises(NotbugsError, match="no label is wrong"):
        derived(Mislabelled(of="all right"))


def study(**keywords):
    plain = {
        "name": "s",
        "source": "digits",
        "arch": "convnet",
        "threat": L2(0.5),
        "models": {"standard": Trained(how=HOW)},
    }
    return Study(**(plain | keywords))


MATCH = MatchEmbeddings(steps=1, step_size=0.1)
ENCODER = Trained(how=replace(HOW, contrast=Contrast()))


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"models": {"a": Trained(how=HOW, on="nothing")}}, "unknown set of the study 'nothing'"),
        ({"sets": {"d": Built(builder=MATCH, by="nobody")}}, "unknown model of the study 'nobody'"),
        ({"audited": ("standart",)}, "did you mean 'standard'"),
        ({"seen": {"tset": ("standard",)}}, "did you mean 'test'"),
        ({"fooled_by": {"test": ("nobody",)}}, "unknown model"),
        (
            {"claims": (More(says="x", more="nobody.clean", less=0.5, source=""),)},
            "unknown metric of the study 'nobody.clean'",
        ),
        (
            {"claims": (More(says="x", more="standard.claen", less=0.5, source=""),)},
            "did you mean 'standard.clean'",
        ),
        (
            {"claims": (More(says="x", more="standard.steps_5", less=0.5, source=""),)},
            "unknown metric of the study",
        ),
        (
            {"plots": (Plot(title="", caption="", x="", y="", lines={"a": [(1, "nobody.clean")]}),)},
            "unknown metric of the study",
        ),
        ({"fooled_by": {"test": ("standard",)}}, "fooled_by takes a built set, which test is not"),
        ({"sets": {"m": Mislabelled(of="data")}}, "m takes a built set, which data is not"),
        ({"models": {"a.b": Trained(how=HOW)}}, "a name is part of paths and metrics: not 'a.b'"),
        ({"sets": {"a/b": First(count=1)}}, "a name is part of paths and metrics: not 'a/b'"),
        (
            {"sets": {"data": First(count=1)}},
            "data is what the source's own images are called: not another set",
        ),
        ({"audited": ("standard",), "step_counts": (5, 0)}, "step_counts must be positive, got 0"),
        (
            {"models": {"e": ENCODER}, "audited": ("e",)},
            "e is an encoder: it answers nothing that could be asked",
        ),
        ({"models": {"e": ENCODER}, "seen": {"test": ("e",)}}, "e is an encoder"),
        ({"models": {"e": ENCODER}, "sets": {"d": Built(builder=MATCH, by="e")}}, "e is an encoder"),
        ({"models": {"test_a": Trained(how=HOW)}}, "not 'test_a'"),
        ({"suite": "slow"}, "unknown suite"),
        ({"name": "../x"}, "not '../x'"),
        ({"name": ""}, "not ''"),
        ({"models": {"": Trained(how=HOW)}}, "not ''"),
        ({"models": {}}, "a study needs a model"),
        ({"attack_steps": 0}, "attack_steps must be positive"),
        ({"tested": -1}, "tested must be positive"),
        (
            {
                "models": {"a": Trained(how=HOW, on="d")},
                "sets": {"d": Built(builder=MATCH, by="a")},
            },
            "s: a needs data_d needs a: that goes round",
        ),
        (
            {
                "models": {"a": Probed(of="b", on="data"), "b": Probed(of="a", on="data")},
            },
            "that goes round",
        ),
    ],
)
def test_what_means_nothing_is_refused(keywords, message):
    with pytest.raises(NotbugsError, match=message) as caught:
        study(**keywords)
    assert "\n" not in str(caught.value)


def test_what_each_stage_needs():
    push = PushToTarget(attack=recipes.targeted_attack(L2(0.5), steps=1, step_size=0.1), targets="next")
    whole = study(
        models={
            "standard": Trained(how=HOW),
            "brief": Trained(how=HOW),
            "d_det": Trained(how=HOW, on="d_det"),
            "half": Trained(how=HOW, on="half"),
            "read": Probed(of="d_det", on="answered"),
        },
        sets={
            "d_det": Built(builder=push, by="standard"),
            "half": Mixture(of="d_det", share=0.5),
            "answered": Built(builder=Answered(), by="brief", of="half"),
            "pushed_test": Built(builder=push, by="brief", of="test", others=("standard",)),
        },
        fooled_by={"pushed_test": ("d_det",)},
    )
    assert whole.needed_by("standard") == frozenset()
    assert whole.needed_by("d_det") == {"standard", "data_d_det"}
    assert whole.needed_by("half") == {"standard", "data_d_det"}
    assert whole.needed_by("data_d_det") == {"standard"}
    assert whole.needed_by("data_answered") == {"brief", "standard", "data_d_det"}
    assert whole.needed_by("read") == {"brief", "standard", "d_det", "data_d_det", "data_answered"}
    assert whole.measured_with("d_det") == {"d_det", "brief", "standard", "data_pushed_test"}
    assert whole.on_data == ("standard", "brief")


def test_what_is_only_said_does_not_make_another_study():
    one = recipes.CONTROLS["sources"]()
    assert one.computed() == replace(one, question="?", duration="", titles={}, claims=()).computed()
    assert one.computed() != replace(one, attack_steps=3).computed()


@pytest.mark.parametrize("name", sorted(recipes.CONTROLS))
def test_every_control_says_what_it_expects_and_from_whom(name):
    control = recipes.CONTROLS[name]()
    assert control.question.endswith("?")
    assert control.duration
    assert control.claims
    for claim in control.claims:
        assert claim.source, claim.says
    assert all(name in control.models for name in control.titles)
    assert all(name in control.sets for name in control.set_titles)


def test_networks_of_the_transfer_study_are_of_five_families():
    control = recipes.CONTROLS["transfer"]()
    archs = [one.arch for name, one in control.models.items() if name.startswith("learner_")]
    assert len(archs) == len(set(archs)) == 8
    assert len({arch.partition("-")[0].rstrip("0123456789") for arch in archs}) == 5


def test_what_only_planted_images_tell_is_asked_of_no_others(tmp_path):
    claim = More(says="x", more="standard.follows_robust", less=0.5, source="")
    with pytest.raises(NotbugsError, match=r"standard\.follows_robust is measured on planted images only"):
        open_study(study(claims=(claim,)), DIGITS, DIGITS, root=tmp_path, seed=0)
    assert not list(tmp_path.iterdir())


def test_test_images_of_other_classes_are_refused(tmp_path):
    with pytest.raises(NotbugsError, match="has other classes or sizes"):
        open_study(study(), DIGITS, planted("test", count=20), root=tmp_path, seed=0)
    assert not list(tmp_path.iterdir())


def test_more_images_than_there_are_is_said_before_anything_is_trained(tmp_path):
    control = recipes.CONTROLS["data-efficiency"]()
    with pytest.raises(NotbugsError, match="first_2000 takes 2000 training images"):
        open_study(control, load("digits"), load("digits", split="test"), root=tmp_path, seed=0)
    assert not list(tmp_path.iterdir())
