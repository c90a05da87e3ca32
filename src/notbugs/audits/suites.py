"""Which attacks make an audit: named lists, cheap attacks first."""

from notbugs.attacks import APGD, FAB, FMN, PGD, APGDTargeted, Attack, Square
from notbugs.attacks.balls import unlimited
from notbugs.errors import NotbugsError, unknown
from notbugs.threats import L1, Restricted, Threat

SUITES = ("quick", "fast", "standard")


def suite_attacks(name: str, threat: Threat, *, classes: int) -> tuple[Attack, ...]:
    """The attacks of a suite, in order.

    * `quick`: `default_attacks`, two PGDs (in L1: APGDs) of 20 steps. Tells a standard model from a robust one.
    * `standard`: the attacks and budgets of AutoAttack's standard version (Croce & Hein 2020, section 6): APGD on the
      cross-entropy, targeted APGD on the DLR loss, targeted FAB, 100 steps each, 9 targets; Square, 5 000 queries.
      In L1 five restarts of the first and 5 targets, as there, but without Square, which is in L2 and Linf only;
      within a family of features without Square and FAB, which know norm balls only.
    * `fast`: ten steps of APGD fell what falls easily; then targeted APGD, which fells nearly all that anything
      fells, towards 9 classes and, from another start, towards the likeliest again; each search is given up where
      it leads nowhere (`abort_early`). Within half a point of `standard` on the models it was tried on, in a
      small part of its time (docs/audits.md).

    Raises NotbugsError for another name, and for less than two classes.

    >>> from notbugs.threats import L2
    >>> [str(attack) for attack in suite_attacks("fast", L2(0.5), classes=10)]
    ['apgd-early:l2:0.5:10', 'apgd-targeted-early:l2:0.5:50', 'apgd-targeted-3-early:l2:0.5:40']
    """
    if name not in SUITES:
        raise unknown("suite", name, SUITES)
    if classes < 2:
        raise NotbugsError(f"an attack needs a wrong class to reach: two classes at least, got {classes}")
    targets = min(9, classes - 1)
    if name == "quick":
        return default_attacks(threat)
    if name == "standard":
        in_l1, is_ball = isinstance(threat, L1), not isinstance(threat, Restricted)
        return (
            APGD(threat=threat, steps=100, restarts=5 if in_l1 else 1),
            APGDTargeted(threat=threat, steps=100, targets=min(5, targets) if in_l1 else targets),
            *((FAB(threat=threat, steps=100, targets=targets),) if is_ball else ()),
            *((Square(threat=threat, queries=5000),) if is_ball and not in_l1 else ()),
        )
    return (
        APGD(threat=threat, steps=10, abort_early=True),
        APGDTargeted(threat=threat, steps=50, targets=targets, abort_early=True),
        APGDTargeted(threat=threat, steps=40, targets=min(3, targets), abort_early=True),
    )


def default_attacks(threat: Threat, *, steps: int = 20) -> tuple[Attack, ...]:
    """PGD on the cross-entropy and on the margin (which does not saturate), from random starts.

    In L1, where a step of PGD changes a single value, APGD on the same two.
    """
    if isinstance(threat, L1):
        return tuple(APGD(threat=threat, steps=steps, loss=loss) for loss in ("cross_entropy", "margin"))
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
