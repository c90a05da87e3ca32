"""Threats held to a family of features: geometry, and what they do to models that use one known feature."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from notbugs.attacks import APGD, PGD
from notbugs.attacks.pgd import parse_attack
from notbugs.audits import audit, suite_attacks
from notbugs.data import load
from notbugs.data.planted import planted, truth_of
from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.threats import L2, LEAK, Region, Restricted, parse_threat

FAMILIES = ("band:4-9", "band-square:3-5", "low:3", "high:6", "region:2,3,5x4", "colour")
THREATS = [f"{ball}@{family}" for family in FAMILIES for ball in ("l2:1.5", "linf:16/255")]


def images_of(kind, seed, count=6):
    images = torch.rand(count, 3, 16, 15, generator=generator(seed))
    if kind == "saturated":  # photographs of white ground
        images = images.where(images < 0.6, torch.ones(()))
    return images


@pytest.mark.parametrize("text", THREATS)
@pytest.mark.parametrize("kind", ["inside", "saturated"])
def test_what_is_projected_lies_inside(text, kind):
    threat, centers = parse_threat(text), images_of(kind, 0)
    far = centers + 0.2 * torch.randn(centers.shape, generator=generator(1))
    found = threat.project(far, centers)
    assert bool(threat.contains(found, centers).all())
    change = found - centers
    outside = (change - threat.family.keep(change)).flatten(1).norm(dim=1)
    radius = threat.eps * (math.sqrt(centers[0].numel()) if "linf" in text else 1)
    assert float(outside.max()) <= LEAK * radius + 1e-5
    assert float(change.flatten(1).norm(dim=1).min()) > 0.1 * min(radius, 1)  # and no mere centre


@pytest.mark.parametrize("family", ["band:4-10", "low:5"])
def test_white_ground_costs_little_of_the_budget(family):
    """Digits are black and white nearly everywhere: waves are cut off there, and must find their way all the same."""
    digits, threat = load("digits").first(16).images, parse_threat(f"l2:2@{family}")
    weights = torch.randn(digits.shape, generator=generator(1))
    images = digits
    for _ in range(20):
        images = threat.project(images + 0.3 * threat.ascent_direction(weights), digits)
    assert bool(threat.contains(images, digits).all())
    assert float((images - digits).flatten(1).norm(dim=1).min()) > 1.5


@pytest.mark.parametrize("text", THREATS)
def test_what_lies_inside_stays(text):
    threat, centers = parse_threat(text), images_of("inside", 0) * 0.5 + 0.25
    small = threat.family.keep(torch.randn(centers.shape, generator=generator(1))) * 0.01
    assert bool(threat.contains(centers + small, centers).all())
    torch.testing.assert_close(threat.project(centers + small, centers), centers + small, atol=1e-5, rtol=0)
    assert bool(threat.contains(centers, centers).all())


@pytest.mark.parametrize("text", THREATS)
def test_what_lies_outside_the_family_does_not_belong(text):
    threat, centers = parse_threat(text), torch.full((2, 3, 16, 15), 0.5)
    noise = torch.randn(centers.shape, generator=generator(1)) * 0.05
    other = noise - threat.family.keep(noise)
    other = other * (0.5 * threat.threat.eps / threat.threat.size(centers + other, centers).view(-1, 1, 1, 1))
    assert bool(threat.threat.contains(centers + other, centers).all())
    assert not bool(threat.contains(centers + other, centers).any())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), text=st.sampled_from(THREATS))
def test_random_starts_and_steps_stay_inside(seed, text):
    threat, centers = parse_threat(text), images_of("saturated", seed, count=3)
    start = threat.random_start(centers, generator(seed, "start"))
    assert bool(threat.contains(start, centers).all())
    step = threat.ascent_direction(torch.randn(centers.shape, generator=generator(seed, "step")))
    assert bool(threat.contains(threat.project(start + 0.5 * step, centers), centers).all())


def test_a_region_is_projected_exactly():
    centers, region = images_of("inside", 0), Region(2, 3, 5, 4)
    far = centers + torch.randn(centers.shape, generator=generator(1))
    masked = centers + region.keep(far - centers)
    torch.testing.assert_close(
        Restricted(L2(1), region).project(far, centers), L2(1).project(masked, centers)
    )


@pytest.mark.parametrize("text", THREATS)
def test_text_round_trip(text):
    assert str(parse_threat(text)) == text
    assert parse_threat(str(parse_threat(text).scaled(0.5))) == parse_threat(text).scaled(0.5)


def test_a_mask_is_read_from_a_picture(tmp_path):
    picture = Image.new("L", (15, 16))
    picture.paste(255, (3, 2, 7, 7))
    for name in ("mask.png", "same.png"):
        picture.save(tmp_path / name)
    threat = parse_threat(f"l2:1@mask:{tmp_path}/mask.png")
    centers, far = images_of("inside", 0), images_of("inside", 1)
    assert torch.equal(
        threat.project(far, centers), parse_threat("l2:1@region:2,3,5x4").project(far, centers)
    )
    assert threat.family.digest == parse_threat(f"l2:1@mask:{tmp_path}/same.png").family.digest
    named = str(threat)
    assert parse_threat(named) == threat
    picture.paste(255, (0, 0, 2, 2))
    picture.save(tmp_path / "mask.png")
    with pytest.raises(NotbugsError, match="has changed"):
        parse_threat(named).project(far, centers)
    assert str(parse_threat(f"l2:1@mask:{tmp_path}/mask.png")) != named
    with pytest.raises(NotbugsError, match="the images have"):
        threat.project(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8))


@pytest.mark.parametrize(
    "feature, family, falls",
    [
        ("nonrobust", "band:10-16", True),
        ("nonrobust", "low:4", False),
        ("robust", "low:4", True),
        ("robust", "high:9", False),
    ],
)
def test_a_feature_falls_to_its_own_family_alone(feature, family, falls):
    data = planted("test", count=40)
    truth = truth_of(data)
    eps = 1.5 * truth.margin(feature)
    found = audit(
        truth.matched_filter(feature), data, threat=f"l2:{eps:.3f}@{family}", attacks="fast", sanity=False
    )
    assert (found.robust.count == 0) == falls
    assert (found.robust == found.clean) == (not falls)


@pytest.mark.parametrize("attack", [PGD, APGD])
def test_attacks_stay_within_the_family(attack):
    threat = parse_threat("linf:16/255@band:4-9")
    steps = {"steps": 5, "step_size": 0.02} if attack is PGD else {"steps": 5}
    centers = images_of("saturated", 0)
    weights = torch.randn(2, 3, 16, 15, generator=generator(3))

    def model(images):
        return torch.einsum("nchw,kchw->nk", images, weights)

    found = attack(threat=threat, **steps)(model, centers, model(centers).argmax(1), generator=generator(0))
    assert bool(threat.contains(found, centers).all())
    assert float((found - centers).abs().max()) > 0.01


def test_suites_keep_the_attacks_that_can_be_held_to_a_family():
    names = [
        str(attack).split(":")[0]
        for attack in suite_attacks("standard", parse_threat("l2:1@low:4"), classes=10)
    ]
    assert names == ["apgd", "apgd-targeted"]


def test_an_attack_on_a_family_is_written_like_any_other():
    attack = parse_attack("pgd:l2:2@region:0,0,8x8:7")
    assert (attack.threat, attack.steps) == (parse_threat("l2:2@region:0,0,8x8"), 7)
    assert parse_attack("pgd:l2:2@band:10-16:7:0.5").step_size == 0.5


@pytest.mark.parametrize(
    "text, message",
    [
        ("l2:1@fog", "is no family"),
        ("l2:1@region:1,1", "is no family"),
        ("l2:1@region:1,1,0x5", "no rectangle"),
        ("l2:1@band:9-4", "low < high"),
        ("l1:1@low:4", "take l2 or linf"),
        ("linf:8@low:4", "linf:8/255 meant"),
        ("l2:1@mask:nowhere.png", "cannot be read"),
        ("l2:1@", "is no family"),
    ],
)
def test_what_is_no_restricted_threat_is_said(text, message):
    with pytest.raises(NotbugsError, match=message):
        parse_threat(text)


def test_a_region_outside_the_images_is_refused():
    with pytest.raises(NotbugsError, match="does not lie in"):
        parse_threat("l2:1@region:10,10,9x9").project(torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16))


def test_colour_needs_colours():
    with pytest.raises(NotbugsError, match="3 channels"):
        parse_threat("linf:0.1@colour").project(torch.rand(1, 1, 8, 8), torch.rand(1, 1, 8, 8))
