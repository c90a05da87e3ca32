"""The shape of the source tree, as README prints it: what may import what, and what no file may do."""

import ast
from functools import cache
from pathlib import Path

import pytest

import notbugs

SOURCE = Path(notbugs.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))

ORDER = (
    "tensors", "errors", "progress", "parts", "once", "ranks", "seeds", "partial", "locations", "foreign",
    "files", "turns", "alone", "integrity", "hardware", "memory", "room", "threads", "numerals",
    "proportion", "l1_ball", "shifts", "threats", "description", "theory", "data", "models", "attacks",
    "training", "features", "synthesis", "audits", "drawings", "lessons", "provenance", "runs",
    "execution", "cluster", "jobs", "expectations", "study", "comparison", "recipes", "app",
)  # fmt: skip
"""Reading order = import order: an import may only point up, to an earlier part."""

SHOWN_BY_NOTEBOOKS = "notebook"
"""How values show themselves: imported inside their `_repr_html_` and nowhere else."""

FORBIDDEN_NAMES = {
    "utils", "util", "helpers", "helper", "common", "misc", "base", "core", "manager", "factory", "engine", "wrapper",
}  # fmt: skip

DRAWS = {
    "rand", "randn", "randint", "randperm", "rand_like", "randn_like", "randint_like", "normal", "bernoulli",
    "multinomial", "poisson", "normal_", "uniform_", "random_", "bernoulli_", "exponential_", "cauchy_",
    "log_normal_", "geometric_", "kaiming_normal_", "kaiming_uniform_", "xavier_normal_", "xavier_uniform_",
    "trunc_normal_", "orthogonal_", "sparse_",
}  # fmt: skip
"""Functions and methods of torch that read the global generator unless they are given another."""

GLOBAL_STATE = {"manual_seed", "manual_seed_all", "seed", "set_rng_state", "fork_rng"}


def name_of(file):
    return str(file.relative_to(SOURCE))


def part_of(file):
    """The part of the tree that a file belongs to; the package's own __init__ is the whole."""
    first = file.relative_to(SOURCE).parts[0].removesuffix(".py")
    return None if first in ("__init__", "__main__") else first


@cache
def parsed(file):
    return ast.parse(file.read_text(), filename=str(file))


def imports_of(tree):
    """(dotted module inside notbugs, line) of every import, also of those inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import; write it out"
            names = [node.module or ""]
            if node.module == "notbugs":
                names = [f"notbugs.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name == "notbugs" or name.startswith("notbugs."):
                yield name, node.lineno


def dotted(node):
    """`a.b.c` of an attribute access, or None."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (left := dotted(node.value)):
        return f"{left}.{node.attr}"
    return None


def draws_globally(node):
    """Whether a call reads or sets the state of a global generator."""
    name = dotted(node.func) or ""
    last = node.func.attr if isinstance(node.func, ast.Attribute) else name
    given = {keyword.arg for keyword in node.keywords}
    if last in DRAWS and name.split(".")[0] not in ("np", "numpy", "rng", "random", "draws"):
        return "generator" not in given
    if last in GLOBAL_STATE:
        return name.startswith("torch.") and not name.startswith("torch.Generator")
    if name.startswith(("np.random.", "numpy.random.")):
        return last not in ("default_rng", "Generator", "SeedSequence", "PCG64") or not (node.args or given)
    return name.startswith("random.") and last != "Random"


@pytest.mark.parametrize(
    "code, globally",
    [
        ("torch.randn(3)", True),
        ("torch.randn(3, generator=g)", False),
        ("weights.normal_()", True),
        ("weights.normal_(generator=g)", False),
        ("nn.init.kaiming_normal_(w)", True),
        ("torch.manual_seed(0)", True),
        ("torch.Generator().manual_seed(0)", False),
        ("np.random.default_rng(0)", False),
        ("np.random.default_rng()", True),
        ("np.random.rand(3)", True),
        ("random.random()", True),
        ("random.Random(0)", False),
        ("rng.normal(0, 1)", False),
        ("draws.normal(3, 32, 32)", False),
    ],
)
def test_a_global_draw_is_known(code, globally):
    assert draws_globally(ast.parse(code, mode="eval").body) == globally


def test_the_tree_was_found():
    assert SOURCE / "threats" / "norms.py" in FILES
    assert len(FILES) > 40


# Rules: each yields (line, what is wrong) for one file; `RULES` below holds every file to all of them.


def every_file_belongs_to_a_part_of_the_design(file, tree):
    if part_of(file) not in (None, SHOWN_BY_NOTEBOOKS, *ORDER):
        yield 1, "unknown part: add it to README's tree, and to ORDER"


def imports_point_up(file, tree):
    part = part_of(file)
    if part not in ORDER:
        return
    for module, line in imports_of(tree):
        target = module.split(".")[1] if "." in module else ""
        if target == SHOWN_BY_NOTEBOOKS:
            if part != "app" and line in {node.lineno for node in tree.body}:
                yield line, "imports how values show themselves where nothing is shown"
        elif target not in ORDER:
            yield line, f"imports {module}: import the part that is meant"
        elif target != part and ORDER.index(target) > ORDER.index(part):
            yield line, f"{part} imports {module}, which comes after it"


def nothing_imports_the_app(file, tree):
    if part_of(file) != "app":
        for module, line in imports_of(tree):
            if module.split(".")[1:2] == ["app"]:
                yield line, module


def attacks_know_no_model_class_no_data_set_and_no_disk(file, tree):
    if part_of(file) == "attacks":
        for module, line in imports_of(tree):
            outside = module.startswith(("notbugs.models", "notbugs.data", "notbugs.files"))
            if outside and module != "notbugs.models.frozen":
                yield line, module


def models_know_no_attack(file, tree):
    if part_of(file) == "models":
        for module, line in imports_of(tree):
            if module.startswith("notbugs.attacks"):
                yield line, module


def files_are_short(file, tree):
    lines = len(file.read_text().splitlines())
    if lines > 300:
        yield lines, "more than 300 lines"


def names_say_what_is_inside(file, tree):
    for name in FORBIDDEN_NAMES.intersection(file.relative_to(SOURCE).with_suffix("").parts):
        yield 1, f"a file or folder called {name}"


def calls_in(tree):
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def the_device_is_the_tensors(file, tree):
    for call in calls_in(tree):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "cuda":
            yield call.lineno, ".cuda()"


def nothing_is_unpickled(file, tree):
    unpicklers = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {node.module or ""}
        else:
            continue
        if unpicklers & {name.split(".")[0] for name in names}:
            yield node.lineno, ast.unparse(node)
    for call in calls_in(tree):
        given = {keyword.arg: getattr(keyword.value, "value", None) for keyword in call.keywords}
        name = dotted(call.func) or ""
        if name == "torch.load":
            if given.get("weights_only") is not True:
                yield call.lineno, "torch.load without weights_only=True"
            if name_of(file) != "models/weights.py":
                yield call.lineno, "torch.load stands in models/weights.py and nowhere else"
        if name in ("np.load", "numpy.load") and given.get("allow_pickle", False) is not False:
            yield call.lineno, "an .npz that may hold a pickle"


def randomness_is_an_argument(file, tree):
    for call in calls_in(tree):
        if draws_globally(call):
            yield call.lineno, ast.unparse(call)[:80]


RULES = [
    every_file_belongs_to_a_part_of_the_design,
    imports_point_up,
    nothing_imports_the_app,
    attacks_know_no_model_class_no_data_set_and_no_disk,
    models_know_no_attack,
    files_are_short,
    names_say_what_is_inside,
    the_device_is_the_tensors,
    nothing_is_unpickled,
    randomness_is_an_argument,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule(rule):
    found = [f"{name_of(file)}:{line}: {what}" for file in FILES for line, what in rule(file, parsed(file))]
    assert not found


@pytest.mark.parametrize(
    "rule, file, code",
    [
        (every_file_belongs_to_a_part_of_the_design, "plots/bar.py", ""),
        (imports_point_up, "data/x.py", "from notbugs.models import build"),
        (imports_point_up, "data/x.py", "def f():\n    from notbugs.training.loop import train"),
        (imports_point_up, "data/x.py", "import notbugs"),
        (imports_point_up, "theory/x.py", "import notbugs.audits"),
        (imports_point_up, "data/x.py", "from notbugs.notebook import images_html"),
        (nothing_imports_the_app, "study.py", "from notbugs.app.table import rows"),
        (attacks_know_no_model_class_no_data_set_and_no_disk, "attacks/x.py", "from notbugs.models import build"),
        (attacks_know_no_model_class_no_data_set_and_no_disk, "attacks/x.py", "from notbugs import data"),
        (models_know_no_attack, "models/x.py", "from notbugs.attacks import PGD"),
        (names_say_what_is_inside, "data/utils.py", ""),
        (names_say_what_is_inside, "core/data.py", ""),
        (the_device_is_the_tensors, "data/x.py", "images.cuda()"),
        (nothing_is_unpickled, "data/x.py", "import pickle"),
        (nothing_is_unpickled, "data/x.py", "from dill import loads"),
        (nothing_is_unpickled, "models/weights.py", "torch.load(path)"),
        (nothing_is_unpickled, "data/x.py", "torch.load(path, weights_only=True)"),
        (nothing_is_unpickled, "data/x.py", "np.load(path, allow_pickle=True)"),
        (randomness_is_an_argument, "data/x.py", "torch.randn(3)"),
    ],
)  # fmt: skip
def test_a_rule_sees_what_it_forbids(rule, file, code):
    assert list(rule(SOURCE / file, ast.parse(code)))
