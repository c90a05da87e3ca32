"""Reasons in what an audit already knows: which images were given to which attack, and which fell."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from notbugs.attacks import Attack
from notbugs.audits.agreement import chance_accuracy
from notbugs.audits.flag import Flag
from notbugs.tensors import Labels, Mask
from notbugs.threats import Threat

BEATEN, LENGTHENED = 0.01, 0.02
"""Shares of the images given, and at least two: felled by outputs alone where gradients had failed; felled by more
steps of the same attack. Honest models lose fewer than one in a hundred to either.
"""


@final
@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one attack did: the images it was given, those of them that fell; steps: gradients, or queries; minimal:
    whether it looked for the nearest adversarial images.
    """

    attack: str
    steps: int
    uses_gradients: bool
    given: Mask
    fell: Mask
    minimal: bool = False


def cascade_outcomes(attacks: Sequence[Attack], fell_to: Labels) -> tuple[Outcome, ...]:
    """Outcomes of attacks that ran one after the other, each on the images that those before it left.

    `fell_to`: for each image the number of the attack that felled it, -1 if it stands, less if it was wrong before.
    """
    outcomes = []
    for number, attack in enumerate(attacks):
        text = str(attack)
        outcomes.append(
            Outcome(
                attack=text,
                steps=int(getattr(attack, "steps", getattr(attack, "queries", 0))),
                uses_gradients=getattr(attack, "uses_gradients", True),
                given=(fell_to >= number) | (fell_to == -1),
                fell=fell_to == number,
                minimal=getattr(attack, "minimal", False),
            )
        )
    return tuple(outcomes)


def suspicions(outcomes: Sequence[Outcome], *, right: Mask, labels: Labels) -> tuple[Flag, ...]:
    """Reasons to distrust a robust accuracy in what its attacks did; nothing is computed anew.

    `right`: which images are right before any attack. Flags: chance_accuracy, black_box_beats_white_box,
    more_steps_help, nearest_fells_more. Outcomes may come from a cascade or from attacks that each had all images.

    >>> import torch
    >>> all_of_them, first = torch.ones(50, dtype=torch.bool), torch.arange(50) < 5
    >>> pgd = Outcome(attack="pgd:l2:0.5:20", steps=20, uses_gradients=True, given=all_of_them, fell=~all_of_them)
    >>> square = Outcome(attack="square:l2:0.5:500", steps=500, uses_gradients=False, given=all_of_them, fell=first)
    >>> [flag.name for flag in suspicions([pgd, square], right=all_of_them, labels=torch.arange(50) % 10)]
    ['black_box_beats_white_box']
    """
    found = [chance_accuracy(right, labels), _black_box(outcomes), _more_steps(outcomes), _nearest(outcomes)]
    return tuple(flag for flag in found if flag)


def other_threats(attacks: Sequence[Attack], threat: Threat) -> list[Flag]:
    """Attacks that look elsewhere than where is counted; one for the nearest may look further.

    >>> from notbugs.attacks import APGD, FMN
    >>> from notbugs.threats import L2
    >>> [len(other_threats([attack(threat=L2(1.0))], L2(0.5))) for attack in (APGD, FMN)]
    [1, 0]
    """
    others = [
        str(attack) for attack in attacks if attack.threat != threat and not _sees_all_of(threat, attack)
    ]
    if not others:
        return []
    return [
        Flag(
            "other_threat",
            f"{' and '.join(others)} did not search {threat}, in which successes are counted.",
            f"Give every attack the threat {threat}: what lies outside is not counted, and what was not searched may "
            "hold more.",
        )
    ]


def _sees_all_of(threat: Threat, attack: Attack) -> bool:
    """Whether it looks for the nearest, and the threat lies inside its own."""
    wider = type(attack.threat) is type(threat) and attack.threat.eps >= threat.eps
    return wider and getattr(attack, "minimal", False)


def _black_box(outcomes: Sequence[Outcome]) -> Flag | None:
    """The blind attack that fells most of what attacks with gradients were given and left standing."""
    seeing = [outcome for outcome in outcomes if outcome.uses_gradients]
    if not seeing:
        return None
    for outcome in outcomes:
        more, n = _beyond(outcome, seeing, share=BEATEN)
        if not outcome.uses_gradients and more:
            return Flag(
                "black_box_beats_white_box",
                f"Without gradients {outcome.attack} felled {more} images that no attack with gradients did, of {n} "
                "that those were given.",
                "Look for what hides the gradients (quantisation, saturation, randomness), and read the robust "
                "accuracy as an upper bound.",
            )
    return None


def _more_steps(outcomes: Sequence[Outcome]) -> Flag | None:
    """The same attack with more steps fells images that it had left."""
    for short in outcomes:
        for long in outcomes:
            kinds = {outcome.attack.rpartition(":")[0] for outcome in (short, long)}
            if len(kinds) > 1 or long.steps <= short.steps:
                continue
            more, n = _beyond(long, [short], share=LENGTHENED)
            if more:
                return Flag(
                    "more_steps_help",
                    f"With {long.steps} steps instead of {short.steps}, {long.attack} felled {more} more of {n} "
                    "images.",
                    "Raise the number of steps until the robust accuracy no longer falls.",
                )
    return None


def _nearest(outcomes: Sequence[Outcome]) -> Flag | None:
    """A search for the nearest image, which minds no eps, finds within it what the others had left."""
    for number, outcome in enumerate(outcomes):
        if not outcome.minimal or number == 0:
            continue
        more, n = _beyond(outcome, outcomes[:number], share=LENGTHENED, of_left=True)
        if more:
            return Flag(
                "nearest_fells_more",
                f"The search for the nearest adversarial images, {outcome.attack}, felled {more} of the {n} that had "
                "withstood the attacks before it.",
                "Those were too short, or were given up too early: run the standard suite as well.",
            )
    return None


def _beyond(
    outcome: Outcome, before: Sequence[Outcome], *, share: float, of_left: bool = False
) -> tuple[int, int]:
    """How many images an attack felled that those before it had left, and of how many: of all that those were given,
    or of what they left. 0 where a lower share than `share`, or a single image, may be luck.
    """
    given = sum_of([one.given for one in before])
    left = given & ~sum_of([one.fell for one in before])
    more, n = int((outcome.fell & left).sum()), int((left if of_left else given).sum())
    return (more if more >= max(2, share * n) else 0), n


def sum_of(masks: Sequence[Mask]) -> Mask:
    """Where any of the masks holds."""
    whole = masks[0]
    for mask in masks[1:]:
        whole = whole | mask
    return whole


__all__ = ["Outcome", "cascade_outcomes", "other_threats", "suspicions"]
