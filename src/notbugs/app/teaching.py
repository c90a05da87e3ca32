"""`notbugs theory`: closed forms beside experiments."""

from typing import Annotated, Literal

from cyclopts import Parameter

from notbugs.app.cli import app
from notbugs.app.options import DEFAULT, Common, job_of, settled, show

Name = Literal[
    "all", "useful-features", "gaussian", "accurate-and-robust", "tradeoff", "sample-complexity", "perturbations",
    "squares",
]  # fmt: skip


@app.command
def theory(
    name: Annotated[Name, Parameter(help="Which lesson; all of them take two minutes.")] = "all",
    /,
    *,
    common: Common = DEFAULT,
) -> None:
    """What must be true, in closed form, beside experiments that could show it false: figures and one page.

    useful-features: what an adversary leaves of linear features, Goh 2019. gaussian: robust maximum likelihood of two
    Gaussians, Theorems 1 to 3 of Ilyas et al. 2019. accurate-and-robust: a perfect classifier that maximum likelihood
    does not find. tradeoff: the bound of Tsipras et al. 2019. sample-complexity: that of Schmidt et al. 2018.
    perturbations: learning from them alone, Kumano et al. 2024. squares: a network that a tiny change fools where
    nothing useful is non-robust, Nakkiran 2019.

    Example: notbugs theory tradeoff
    """
    from notbugs.app.progress import watching
    from notbugs.app.report import write_report
    from notbugs.jobs import theory_job
    from notbugs.lessons import LESSONS

    common = settled(common, on_ray="theory takes two minutes on one machine")
    with watching(quiet=common.quiet) as watch:
        run = theory_job(job_of(common, watch(name)), list(LESSONS) if name == "all" else [name], watch=watch)
    write_report(run)
    show(run, common)
