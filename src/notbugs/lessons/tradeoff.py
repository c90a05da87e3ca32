"""Where robustness costs accuracy: the bound of Tsipras et al. 2019, and classifiers that do not cross it."""

import math

import torch
from torch import Tensor, nn

from notbugs.lessons.lesson import Chart, Check, Lesson, Panel, Series
from notbugs.progress import Progress, silent
from notbugs.seeds import generator
from notbugs.theory import Tradeoff

SETTINGS, CLASSIFIERS = 1000, 40
NETWORKS, TESTED = 60, 20_000
SHOWN = Tradeoff(p=0.95, eta=0.3, weak=100)
"""Of the picture: the weak features together are right on 99.9 % of the points."""


def tradeoff_lesson(seed: int, progress: Progress = silent) -> Lesson:
    """A thousand random settings with forty linear classifiers each, and trained networks, against the bound."""
    draw = generator(seed, "tradeoff")
    crossed, nearest = 0, math.inf
    cloud: list[Tensor] = []
    for done in range(SETTINGS):
        if done % 50 == 0:
            progress(done, SETTINGS + NETWORKS, "linear classifiers")
        setting = random_setting(draw)
        weights = _random_weights(setting, draw)
        clean, robust = setting.accuracy(weights), setting.accuracy(weights, eps=2 * setting.eta)
        room = setting.bound(clean) - robust
        crossed += int((room < -1e-12).sum())
        nearest = min(nearest, float(room.min()))
        cloud.append(torch.stack([setting.bound(clean), robust], dim=1)[::20])
    networks = []
    for done in range(NETWORKS):
        progress(SETTINGS + done, SETTINGS + NETWORKS, "networks")
        networks.append(_network(SHOWN, 4 ** (1 + done % 4), draw))
    progress(SETTINGS + NETWORKS, SETTINGS + NETWORKS, "")
    found = torch.tensor(networks, dtype=torch.float64)
    error = 3 * _error(found[:, 1]) + 3 * SHOWN.p / (1 - SHOWN.p) * _error(found[:, 0])
    over = int((found[:, 1] > SHOWN.bound(found[:, 0]) + error).sum())
    by = f"{SETTINGS} settings, {CLASSIFIERS} linear classifiers each, exact"
    return Lesson(
        title="Robustness against accuracy",
        source="Tsipras et al. 2019, Theorem 2.1",
        claim="With one strong feature and many weak ones, whoever is right on all but a share delta of the points "
        "is right on p / (1 − p) · delta at most once every value may change by twice the mean of the weak ones.",
        findings=[
            f"In {SETTINGS} random settings (p 0.5 to 0.999, eta 0.01 to 1, up to 1000 weak features) none of "
            f"{SETTINGS * CLASSIFIERS} linear classifiers crosses the bound."
            if not crossed
            else f"{crossed} linear classifiers cross the bound: something is wrong.",
            f"None of {NETWORKS} trained networks does so by more than three standard errors."
            if not over
            else f"{over} networks cross it by more than three standard errors: something is wrong.",
            "The frontier drawn with the bound is what the best of all classifiers reach, exactly: "
            + ", ".join(
                f"{100 * _at(SHOWN, clean):.1f} % under attack at {100 * clean:g} % clean (bound "
                f"{100 * float(SHOWN.bound(torch.tensor(clean))):.0f} %)"
                for clean in (0.96, 0.99)
            )
            + f", and {100 * SHOWN.p:g} % of both for the strong feature alone.",
        ],
        checks=[
            Check(what="classifiers that cross the bound", formula=0, found=crossed, allowed=0, by=by),
            Check(
                what=f"networks that cross it by more than three standard errors, p {SHOWN.p}",
                formula=0, found=over, allowed=0, by=f"{NETWORKS} networks, {TESTED} points each",
            ),
        ],
        charts=[_chart(found, torch.cat(cloud), draw)],
    )  # fmt: skip


def random_setting(draw: torch.Generator) -> Tradeoff:
    """p uniform from 0.5 to 0.999, eta from 0.01 to 1 and the number of weak features from 1 to 1000 log-uniform."""
    p, eta, weak = torch.rand(3, generator=draw, dtype=torch.float64).tolist()
    return Tradeoff(p=0.5 + 0.499 * p, eta=10 ** (-2 + 2 * eta), weak=max(1, round(10 ** (3 * weak))))


def _random_weights(setting: Tradeoff, draw: torch.Generator) -> Tensor:
    """Of all signs, and of the right ones; with the strong feature from nothing to everything."""
    weights = torch.randn(CLASSIFIERS, setting.weak + 1, generator=draw, dtype=torch.float64)
    weights[CLASSIFIERS // 4 :] = weights[CLASSIFIERS // 4 :].abs()
    weights[CLASSIFIERS // 2 :, 1:] = 1.0
    strength = 10 ** (6 * torch.rand(CLASSIFIERS, generator=draw, dtype=torch.float64) - 3)
    weights[:, 0] *= strength * setting.weak
    return weights


def _network(setting: Tradeoff, width: int, draw: torch.Generator) -> tuple[float, float]:
    """Accuracy, clean and on points turned by the adversary of the proof, of a network trained on part of the data.

    That adversary is one of many: what it leaves is no less than the robust accuracy.
    """
    inputs = setting.weak + 1
    first = nn.Linear(inputs, width)
    net = nn.Sequential(first, nn.ReLU(), nn.Linear(width, 1))
    with torch.no_grad():
        for one in net.parameters():
            one.copy_(torch.randn(one.shape, generator=draw) / inputs**0.5)
        # Some listen to the strong feature from the start, some to the weak ones.
        first.weight[:, 0] *= float(10 ** (3 * torch.rand(1, generator=draw)))
    x, y = setting.draw(2000, draw)
    search = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(60):
        search.zero_grad()
        nn.functional.softplus(-y * net(x)[:, 0]).mean().backward()
        search.step()
    x, y = setting.draw(TESTED, draw)
    with torch.no_grad():
        clean, turned = (float((y * net(one)[:, 0] > 0).double().mean()) for one in (x, setting.turned(x, y)))
    return clean, turned


def _error(share: Tensor) -> Tensor:
    return (share * (1 - share) / TESTED).sqrt() + 1 / TESTED


def _at(setting: Tradeoff, accuracy: float) -> float:
    """The most that is left under attack at that clean accuracy."""
    clean, robust = _frontier(setting)
    return float(robust[clean >= accuracy].max())


def _frontier(setting: Tradeoff) -> tuple[Tensor, Tensor]:
    least = math.log(setting.p / (1 - setting.p)) / 2
    return setting.frontier(least + 10 ** torch.linspace(-3, 2, 400, dtype=torch.float64))


def _chart(networks: Tensor, cloud: Tensor, draw: torch.Generator) -> Chart:
    weights = torch.cat([_random_weights(SHOWN, draw) for _ in range(5)])
    clean, robust = SHOWN.accuracy(weights), SHOWN.accuracy(weights, eps=2 * SHOWN.eta)
    good = clean > 0.94
    line = torch.linspace(0.94, 1, 61, dtype=torch.float64)
    best_clean, best = _frontier(SHOWN)
    return Chart(
        title="Nobody crosses the bound",
        caption=f"Left: p {SHOWN.p}, {SHOWN.weak} weak features of mean {SHOWN.eta}, every value changed by up to "
        f"{2 * SHOWN.eta}. Linear classifiers: exact. Networks: on {TESTED} points that the proof's adversary "
        f"turned. Right: linear classifiers of {SETTINGS} random settings, each against its own bound.",
        panels=[
            Panel(
                title="One setting", x="clean accuracy", y="accuracy under attack",
                series=[
                    Series(label="frontier of all classifiers", x=best_clean.tolist(), y=best.tolist()),
                    Series(label="bound", x=line.tolist(), y=SHOWN.bound(line).tolist(), style="dashed"),
                    Series(label="linear", x=clean[good].tolist(), y=robust[good].tolist(), style="points"),
                    Series(label="networks", x=networks[:, 0].tolist(), y=networks[:, 1].tolist(), style="points"),
                ],
            ),
            Panel(
                title="A thousand settings", x="bound", y="accuracy under attack",
                series=[
                    Series(label="linear", x=cloud[:, 0].tolist(), y=cloud[:, 1].tolist(), style="points"),
                    Series(label="the bound itself", x=[0, 1], y=[0, 1], style="dashed"),
                ],
            ),
        ],
    )  # fmt: skip


__all__ = ["random_setting", "tradeoff_lesson"]
