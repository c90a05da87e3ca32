"""Which attacks make an audit: named lists, cheap attacks first."""

from notbugs.attacks import APGD, FAB, FMN, PGD, APGDTargeted, Attack, Square
from notbugs.attacks.balls import unlimited
from notbugs.errors import NotbugsError, unknown
from notbugs.threats import L1, Threat

SUITES = ("quick", "fast", "standard")


def suite_attacks(name: str, threat: Threat, *, classes: int) -> tuple[Attack, ...]:
    """The attacks of a suite, in order.

    * `quick`: `default_attacks`, two PGDs of 20 steps. Tells a standard model from a robust one.
    * `standard`: the attacks and budgets of AutoAttack's standard version (Croce & Hein 2020, section 6): APGD on the
      cross-entropy, targeted APGD on the DLR loss, targeted FAB, 100 steps each, 9 targets; Square, 5 000 queries.
      In L1 five restarts of the first and 5 targets, as there, but without Square, which is in L2 and Linf only.
    * `fast`: ten steps of APGD fell what falls easily; then targeted APGD towards the likeliest wrong classes, which
      fells nearly all that anything fells, first in short searches, then in longer ones. Within 0.2 points of
      `standard` on the models it was tried on, at a twentieth of AutoAttack's time (docs/audits.md).

    Raises NotbugsError for another name, and for less than two classes.

    >>> from notbugs.threats import L2
    >>> [str(attack) for attack in suite_attacks("fast", L2(0.5), classes=10)]
    ['apgd:l2:0.5:10', 'apgd-targeted-3:l2:0.5:25', 'apgd-targeted-2:l2:0.5:50']
    """
    if name not in SUITES:
        raise unknown("suite", name, SUITES)
    if classes < 2:
        raise NotbugsError(f"an attack needs a wrong class to reach: two classes at least, got {classes}")
    targets = min(9, classes - 1)
    if name == "quick":
        return default_attacks(threat)
    if name == "standard":
        in_l1 = isinstance(threat, L1)
        return (
            APGD(threat=threat, steps=100, restarts=5 if in_l1 else 1),
            APGDTargeted(threat=threat, steps=100, targets=min(5, targets) if in_l1 else targets),
            FAB(threat=threat, steps=100, targets=targets),
            *(() if in_l1 else (Square(threat=threat, queries=5000),)),
        )
    return (
        APGD(threat=threat, steps=10),
        APGDTargeted(threat=threat, steps=25, targets=min(3, targets)),
        APGDTargeted(threat=threat, steps=50, targets=min(2, targets)),
    )


def default_attacks(threat: Threat, *, steps: int = 20) -> tuple[PGD, ...]:
    """PGD on the cross-entropy and on the margin (which does not saturate), from random starts."""
    step_size = 2.5 * threat.eps / steps or 1.0  # within eps 0 no step leads anywhere
    return tuple(
        PGD(threat=threat, steps=steps, step_size=step_size, loss=loss, stop_when_fooled=True)
        for loss in ("cross_entropy", "margin")
    )


def nearest_attack(threat: Threat, *, steps: int = 100) -> FMN:
    """The attack that looks for the nearest adversarial image in the norm of `threat`, however far.

    Raises NotbugsError for a threat that is no norm ball.

    >>> from notbugs.threats import Linf
    >>> str(nearest_attack(Linf(8 / 255)))
    'fmn:linf:inf:100'
    """
    return FMN(threat=unlimited(threat), steps=steps)
