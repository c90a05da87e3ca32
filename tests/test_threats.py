"""Threats: the geometry of what an adversary may change, against slow independent oracles."""

import math

import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from notbugs.errors import NotbugsError
from notbugs.numerals import parse_number
from notbugs.seeds import generator
from notbugs.threats import L1, L2, THREATS, TOLERANCE, Linf, as_threat, parse_threat

NORMS = {"linf": Linf, "l2": L2, "l1": L1}

PIXELS = st.floats(0, 1, width=32)
ANYWHERE = st.floats(-3, 4, width=32)
BUDGETS = st.floats(2**-10, 3, width=32)


def images_of(*values):
    return torch.tensor(values, dtype=torch.float32).view(1, 1, 1, -1)


@st.composite
def pairs(draw):
    """A point anywhere and a centre in the box, with corners and ties drawn often."""
    n = draw(st.integers(1, 6))
    center = draw(st.lists(st.one_of(st.sampled_from([0.0, 1.0]), PIXELS), min_size=n, max_size=n))
    point = draw(
        st.lists(st.one_of(st.sampled_from([-2.0, 0.0, 0.5, 3.0]), ANYWHERE), min_size=n, max_size=n)
    )
    return images_of(*point), images_of(*center)


def length(changes, norm):
    """The sizes of rows of changes, by the textbook."""
    return torch.linalg.vector_norm(changes, ord={"linf": math.inf, "l2": 2, "l1": 1}[norm], dim=1)


def nearest_by_bisection(point, center, eps):
    """The nearest point of L2 ball and box in float64: clamp(c + t * change) with the largest t in [0, 1] that fits.

    The length is non-decreasing in t, so 200 halvings find t; nothing here is shared with the implementation.
    """
    change, low, high = point.double() - center.double(), 0.0, 1.0

    def at(t):
        return (center.double() + t * change).clamp(0, 1)

    if float((at(1.0) - center.double()).norm()) <= eps:
        return at(1.0)
    for _ in range(200):
        middle = (low + high) / 2
        inside = float((at(middle) - center.double()).norm()) <= eps
        low, high = (middle, high) if inside else (low, middle)
    return at(low)


def nearest_in_l1(point, center, eps):
    """The nearest point of L1 ball and box in float64: each value shrunk towards its centre by the same amount,
    then held in the box. What is left of the changes falls with the amount, so 60 halvings find it.
    """
    change = point.double() - center.double()
    low, high = 0.0, float(change.abs().max())

    def at(amount):
        shrunk = change.sign() * (change.abs() - amount).clamp_min(0)
        return (center.double() + shrunk).clamp(0, 1)

    if float((at(0.0) - center.double()).abs().sum()) <= eps:
        return at(0.0)
    for _ in range(60):
        middle = (low + high) / 2
        inside = float((at(middle) - center.double()).abs().sum()) <= eps
        low, high = (low, middle) if inside else (middle, high)
    return at(high)


def test_every_threat_is_in_this_table():
    assert THREATS == NORMS


# Projection


@settings(max_examples=300, deadline=None)
@given(pairs(), BUDGETS)
@example((images_of(3.0, 3.0, 0.5), images_of(1.0, 0.9, 0.5)), 0.5)  # the box stops one value, then another
@example((images_of(2.0, 2.0), images_of(1.0, 1.0)), 0.1)  # the box stops everything
def test_l2_projection_is_the_nearest_point_of_ball_and_box(pair, eps):
    point, center = pair
    projected = L2(eps).project(point, center)
    torch.testing.assert_close(
        projected.double(), nearest_by_bisection(point, center, eps), atol=3e-6, rtol=0
    )


@settings(max_examples=150, deadline=None)
@given(pairs(), BUDGETS)
@example((images_of(3.0, 3.0, 0.5), images_of(1.0, 0.9, 0.5)), 0.5)  # the box stops one value, then another
@example((images_of(2.0, 2.0), images_of(1.0, 1.0)), 0.1)  # the box stops everything
@example((images_of(2.0, 2.0, 2.0), images_of(0.9, 0.9, 0.0)), 0.2)  # ball and box in the same corner
def test_l1_projection_is_the_nearest_point_of_ball_and_box(pair, eps):
    point, center = pair
    torch.testing.assert_close(
        L1(eps).project(point, center).double(), nearest_in_l1(point, center, eps), atol=3e-6, rtol=0
    )


@pytest.mark.parametrize("spread", [1e-3, 0.05, 1.0, 5.0])
@pytest.mark.parametrize("eps", [0.1, 12.0, 300.0])
def test_l1_projection_of_whole_images_is_exact(spread, eps):
    draw = generator(0)
    centers = torch.rand(4, 3, 32, 32, generator=draw)
    points = centers + spread * torch.randn(4, 3, 32, 32, generator=draw)
    projected = L1(eps).project(points, centers)
    expected = torch.cat([nearest_in_l1(points[i : i + 1], centers[i : i + 1], eps) for i in range(4)])
    torch.testing.assert_close(projected.double(), expected, atol=3e-6, rtol=0)
    assert bool(L1(eps).contains(projected, centers).all())


def test_l1_projection_takes_all_it_can_and_leaves_the_rest_exactly_alone():
    """Going to the ball and then into the box would leave a part of the budget unused."""
    center, point = images_of(0.9, 0.5, 0.5), images_of(1.9, 0.9, 0.6)
    projected = L1(0.4).project(point, center)
    torch.testing.assert_close(projected, images_of(1.0, 0.8, 0.5))
    assert projected[..., 2].item() == 0.5
    assert L1(1.0).size(projected, center).item() == pytest.approx(0.4, rel=1e-5)


@pytest.mark.parametrize("eps", [0.5, 1.0, 12.0])
def test_values_that_are_all_rounded_alike_do_not_leave_the_ball(eps):
    centers = torch.full((6, 3, 32, 32), 0.5) + torch.arange(6).view(6, 1, 1, 1) / 17
    projected = L1(eps).project(centers + 0.3, centers)
    assert (projected.double() - centers.double()).abs().sum((1, 2, 3)).max() <= eps
    assert bool(L1(eps).contains(projected, centers).all())


@settings(max_examples=150, deadline=None)
@given(pairs(), BUDGETS, st.sampled_from(sorted(NORMS)), st.integers(0, 2**20))
def test_projection_is_inside_idempotent_and_no_feasible_point_is_nearer(pair, eps, norm, seed):
    point, center = pair
    threat = NORMS[norm](eps)
    projected = threat.project(point, center)
    assert float(length((projected - center).double().flatten(1), norm)) <= eps + TOLERANCE
    assert projected.min() >= 0
    assert projected.max() <= 1
    assert bool(threat.contains(projected, center).all())
    torch.testing.assert_close(threat.project(projected, center), projected, atol=1e-6, rtol=0)
    # Feasible points: the centre, and random ones drawn towards it until they fit.
    others = torch.rand(200, point[0].numel(), generator=generator(seed), dtype=torch.float64)
    flat = center.double().flatten()
    others = flat + (others - flat) * torch.logspace(0, -4, 200, dtype=torch.float64)[:, None]
    feasible = torch.cat([flat[None], others[length(others - flat, norm) <= eps]])
    distances = (feasible - point.double().flatten()).norm(dim=1)
    assert float((projected - point).double().norm()) <= float(distances.min()) + 1e-5


@settings(max_examples=50, deadline=None)
@given(pairs(), BUDGETS, st.sampled_from(sorted(NORMS)))
def test_what_is_inside_stays(pair, eps, norm):
    point, center = pair
    threat = NORMS[norm](eps)
    point = point.clamp(0, 1)
    assume(float(threat.size(point, center)) <= eps)
    torch.testing.assert_close(threat.project(point, center), point, atol=1e-6, rtol=0)


@pytest.mark.parametrize("norm", NORMS)
def test_rows_are_projected_alone_and_inputs_are_left_alone(norm):
    draw = generator(0)
    centers, points = torch.rand(20, 3, 4, 4, generator=draw), torch.randn(20, 3, 4, 4, generator=draw)
    kept, threat = (points.clone(), centers.clone()), NORMS[norm](0.4)
    together = threat.project(points, centers)
    alone = torch.cat([threat.project(points[i : i + 1], centers[i : i + 1]) for i in range(20)])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)
    assert torch.equal(points, kept[0])
    assert torch.equal(centers, kept[1])


@pytest.mark.parametrize("norm", NORMS)
def test_without_a_budget_there_is_only_the_centre(norm):
    centers = torch.rand(5, 1, 3, 3, generator=generator(0))
    points = torch.randn(5, 1, 3, 3, generator=generator(1))
    assert torch.equal(NORMS[norm](0.0).project(points, centers), centers)
    assert torch.equal(NORMS[norm](0.0).random_start(centers, generator(2)), centers)


@pytest.mark.parametrize("norm", NORMS)
def test_an_infinite_budget_leaves_only_the_box(norm):
    points = torch.tensor([-1.0, 0.3, 7.0]).view(1, 1, 1, 3)
    threat = NORMS[norm](math.inf)
    assert threat.project(points, torch.full_like(points, 0.5)).flatten().tolist() == pytest.approx(
        [0, 0.3, 1]
    )
    with pytest.raises(NotbugsError, match="a random start needs a finite eps"):
        threat.random_start(points.clamp(0, 1), generator(0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("norm", NORMS)
def test_dtypes_are_kept(norm, dtype):
    threat, centers = NORMS[norm](0.1), torch.rand(2, 1, 2, 2, dtype=dtype)
    for result in (
        threat.project(centers + 1, centers),
        threat.ascent_direction(centers),
        threat.random_start(centers, generator(0)),
        threat.size(centers, centers),
    ):
        assert result.dtype == dtype


def test_size_is_the_norm():
    images, centers = images_of(0.5, 0.1, 1.0), images_of(0.2, 0.5, 1.0)
    assert L2(1).size(images, centers).item() == pytest.approx(0.5)
    assert Linf(1).size(images, centers).item() == pytest.approx(0.4)
    assert L1(1).size(images, centers).item() == pytest.approx(0.7)


@pytest.mark.parametrize(
    "values, inside",
    [
        ([0.5, 0.5], True),
        ([0.6, 0.5], True),
        ([0.7, 0.5], False),
        ([math.nan, 0.5], False),
        ([1.01, 0.5], False),
    ],
    ids=str,
)
@pytest.mark.parametrize("norm", NORMS)
def test_contains_recomputes_ball_and_box(norm, values, inside):
    assert bool(NORMS[norm](0.1).contains(images_of(*values), images_of(0.5, 0.5))) == inside


def test_contains_checks_the_box_also_inside_the_ball():
    assert not bool(L2(5).contains(images_of(-0.01), images_of(0.0)))


# Steepest ascent


@pytest.mark.parametrize("scale", [1e-40, 1e-30, 1e-12, 1.0, 1e18])
def test_the_l2_direction_is_a_unit_vector_at_every_scale(scale):
    gradients = torch.tensor([3.0, -4.0]).view(1, 1, 1, 2) * scale
    assert L2(1).ascent_direction(gradients).flatten().tolist() == pytest.approx([0.6, -0.8], rel=1e-3)


@pytest.mark.parametrize("norm", NORMS)
def test_a_zero_gradient_has_a_zero_direction(norm):
    assert NORMS[norm](1.0).ascent_direction(torch.zeros(2, 1, 2, 2)).abs().max() == 0


@pytest.mark.parametrize("norm", NORMS)
def test_no_unit_step_climbs_a_linear_objective_faster(norm):
    threat, draw = NORMS[norm](1.0), generator(0)
    gradients = torch.randn(1, 1, 2, 2, generator=draw)
    best = float((threat.ascent_direction(gradients) * gradients).sum())
    for _ in range(300):
        step = torch.randn(1, 1, 2, 2, generator=draw)
        step = step / threat.size(step, torch.zeros_like(step))
        assert float((step * gradients).sum()) <= best + 1e-5


def test_the_l1_direction_is_the_largest_value_alone_and_ties_share_it():
    gradients = torch.tensor([[3.0, -4.0, 1.0], [2.0, -2.0, 1.0]]).view(2, 1, 1, 3)
    assert L1(1).ascent_direction(gradients).view(2, 3).tolist() == [[0.0, -1.0, 0.0], [0.5, -0.5, 0.0]]


def test_an_l1_step_passes_over_values_that_stand_at_a_wall():
    gradients = torch.tensor([[3.0, -4.0, 1.0], [2.0, -2.0, 1.0]]).view(2, 1, 1, 3)
    images = torch.tensor([[0.5, 0.0, 0.5], [1.0, 0.0, 1.0]]).view(2, 1, 1, 3)
    assert L1(1).ascent_direction(gradients, images).view(2, 3).tolist() == [[1, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("norm", NORMS)
def test_a_threat_or_its_text_is_a_threat(norm):
    threat = NORMS[norm](0.25)
    assert as_threat(threat) is threat
    assert as_threat(str(threat)) == threat
    with pytest.raises(NotbugsError, match="threat is float; write it like"):
        as_threat(0.25)


# Random starts


def test_l2_random_starts_are_uniform_in_the_ball():
    n, values = 4000, 6
    centers = torch.full((n, 1, 2, 3), 0.5)
    changes = (L2(0.4).random_start(centers, generator(0)) - centers).flatten(1)
    # Uniform in volume: (length / eps) ** values is uniform in [0, 1]; and no direction is preferred.
    volume = (changes.norm(dim=1) / 0.4) ** values
    steps = (torch.arange(n) + 0.5) / n
    assert (volume.sort().values - steps).abs().max() < 1.63 / math.sqrt(n)  # Kolmogorov-Smirnov, 1 %
    assert changes.mean(0).abs().max() < 4 * 0.4 / math.sqrt(n)


def test_l1_random_starts_are_uniform_in_the_ball():
    n, values = 4000, 6
    centers = torch.full((n, 1, 2, 3), 0.5)
    changes = (L1(0.4).random_start(centers, generator(0)) - centers).flatten(1)
    steps = (torch.arange(n) + 0.5) / n
    volume = (changes.abs().sum(1) / 0.4) ** values
    assert (volume.sort().values - steps).abs().max() < 1.63 / math.sqrt(n)  # Kolmogorov-Smirnov, 1 %
    # One value of a uniform draw exceeds a with probability (1 - a / eps) ** values, on either side alike.
    beyond = (1 - changes[:, 0].abs() / 0.4) ** values
    assert (beyond.sort().values - steps).abs().max() < 1.63 / math.sqrt(n)
    assert changes.mean(0).abs().max() < 4 * 0.4 / math.sqrt(n)


def test_linf_random_starts_are_uniform_in_the_cube():
    centers = torch.full((1000, 1, 2, 2), 0.5)
    changes = ((Linf(0.4).random_start(centers, generator(0)) - centers) / 0.4).flatten().sort().values
    steps = 2 * (torch.arange(4000) + 0.5) / 4000 - 1
    assert (changes - steps).abs().max() < 2 * 1.63 / math.sqrt(4000)


@pytest.mark.parametrize("norm", NORMS)
def test_random_starts_lie_in_ball_and_box_and_come_from_the_generator(norm):
    threat, centers = NORMS[norm](0.5), torch.rand(50, 3, 4, 4, generator=generator(0)).round()  # corners
    state = torch.get_rng_state()
    starts = threat.random_start(centers, generator(1))
    assert torch.equal(torch.get_rng_state(), state)
    assert bool(threat.contains(starts, centers).all())
    assert torch.equal(starts, threat.random_start(centers, generator(1)))
    assert not torch.equal(starts, threat.random_start(centers, generator(2)))


@pytest.mark.parametrize("norm", NORMS)
def test_no_images_have_no_starts_and_no_projections(norm):
    none = torch.zeros(0, 3, 4, 4)
    assert len(NORMS[norm](0.5).random_start(none, generator(0))) == 0
    assert len(NORMS[norm](0.5).project(none, none)) == 0


# Text


@pytest.mark.parametrize(
    "text, threat",
    [
        ("linf:8/255", Linf(8 / 255)),
        ("linf:0.5/255", Linf(0.5 / 255)),
        ("linf:1/255", Linf(1 / 255)),
        ("linf:0.03", Linf(0.03)),
        ("linf:1", Linf(1.0)),
        ("l2:0.5", L2(0.5)),
        ("l2:1e-3", L2(0.001)),
        ("l2:128/255", L2(128 / 255)),
        ("l2:3", L2(3.0)),
        ("l1:12", L1(12.0)),
        ("l1:2000/255", L1(2000 / 255)),
    ],
)
def test_a_threat_is_written_as_norm_and_size(text, threat):
    assert parse_threat(text) == threat


@pytest.mark.parametrize("threat", [Linf(k / 255) for k in (1, 2, 4, 8, 16, 254)], ids=str)
def test_whole_pixel_steps_are_written_so(threat):
    assert str(threat) == f"linf:{round(threat.eps * 255)}/255"
    assert str(threat.scaled(1 / 3).scaled(3)) == str(threat)


def test_the_whole_box_is_written_as_one():
    assert str(Linf(1.0)) == "linf:1"


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(NORMS)), st.floats(1e-6, 1e3))
@example("linf", 8 / 255)
@example("linf", 8 / 255 + 1e-10)
@example("l2", 1 / 3)
@example("l1", 12.0)
def test_text_round_trip(norm, eps):
    eps = min(eps, 1.0) if norm == "linf" else eps
    read = parse_threat(str(NORMS[norm](eps)))
    assert type(read) is NORMS[norm]
    assert read.eps == pytest.approx(eps, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    "text, message",
    [
        ("linf:1e999999999/255", "is not a number"),
        ("linf:8/0", "eps '8/0' is not a number; write it like 0.5 or 8/255"),
        ("l2:nan", "eps 'nan' is not a number"),
        ("l2:inf", "eps 'inf' is not a number"),
        ("l2:1e400", "eps '1e400' is not a number"),
        ("l2:1e999999999", "eps '1e999999999' is not a number"),
        ("l2:half", "eps 'half' is not a number"),
        ("l2:8/", "eps '8/' is not a number"),
        ("l2:0.5:7", "eps '0.5:7' is not a number"),
        ("l2:-1", "eps must be positive in 'l2:-1'"),
        ("l2:0", "eps must be positive in 'l2:0'"),
        ("l2:1e-400", "eps must be positive"),
        ("linf:8", "eps above 1 in 'linf:8': pixel values lie in .0, 1.; is linf:8/255 meant"),
        ("linf:1.01", "eps above 1"),
        ("l2", "threat 'l2' has no size; write it like l2:0.5"),
        ("l2:", "threat 'l2:' has no size"),
        ("linf", "threat 'linf' has no size; write it like linf:8/255"),
        ("l1:", "threat 'l1:' has no size; write it like l1:12"),
        ("l3:1", "unknown threat 'l3'.*known: linf, l2, l1"),
        ("lnf:1", "did you mean 'linf'"),
        ("", "unknown threat ''"),
        (":", "unknown threat ''"),
    ],
)
def test_a_wrong_threat_is_one_line_that_says_what_is_right(text, message):
    with pytest.raises(NotbugsError, match=message) as caught:
        parse_threat(text)
    assert "\n" not in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="l12inf:/.-+e059_ \n", max_size=12))
def test_any_text_is_a_threat_or_a_clear_error(text):
    try:
        threat = parse_threat(text)
    except NotbugsError:
        return
    assert math.isfinite(threat.eps)
    assert threat.eps > 0


def test_numbers_name_what_they_are_for():
    with pytest.raises(NotbugsError, match="step size 'x' is not a number"):
        parse_number("x", "step size")


@pytest.mark.parametrize("eps", [-0.1, math.nan])
@pytest.mark.parametrize("norm", NORMS)
def test_a_negative_budget_is_refused(norm, eps):
    with pytest.raises(NotbugsError, match="eps must be >= 0"):
        NORMS[norm](eps)


def test_scaled_multiplies_the_budget():
    assert Linf(0.1).scaled(2) == Linf(0.2)
    assert L2(0.5).scaled(0) == L2(0.0)
    assert L1(12).scaled(3) == L1(36)


def test_levels_out_of_255_are_no_eps():
    with pytest.raises(NotbugsError, match="linf:8/255, meant"):
        as_threat(Linf(8))
    assert as_threat(Linf(math.inf)).eps == math.inf
