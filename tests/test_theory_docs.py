"""docs/theory.md says what results/theory.json holds, and its example runs."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "theory.md").read_text(encoding="utf-8")
RESULT = json.loads((ROOT / "results" / "theory.json").read_text())
FOUND = {name: " ".join(findings) for name, findings in RESULT["findings"].items()}


def test_every_number_agrees_with_its_formula():
    checks = [check for lesson in RESULT["checks"].values() for check in lesson]
    missed = [one for one in checks if abs(one["formula"] - one["found"]) > one["allowed"]]
    assert len(checks) > 100
    assert not missed
    assert not RESULT["flags"]


def test_the_page_has_the_committed_numbers():
    said = {
        "useful-features": [r"(\d+) are robustly", r"(\d+) useful and", r"(54 % \[[\d, ]+\])", r"(63 % \[[\d, ]+\])"],
        "gaussian": [rf"([\d.]+) % \({d} dimensions\)" for d in (2, 10, 50)],
        "tradeoff": [r"none of (\d+) linear", r"None of (\d+) trained", r"([\d.]+) % under attack at 99 %"],
        "sample-complexity": [
            r"Gaussian, under attack: d\^([\d.]+ \[[\d., ]+\])",
            r"Bernoulli, under attack: d\^([\d.]+ \[[\d., ]+\])",
            r"is d\^([\d.]+) here",
            r"model takes (\d+) points",
        ],
        "perturbations": [r"(\d+) % at L2 1 ", r"(\d+) % at L2 0 "],
        "accurate-and-robust": [r"on (\d+)\.\d %; its nearest"],
        "squares": [r"and on (\d+ % \[\d+, \d+\]) within 0.03; after", r"5 epochs on (100 % \[\d+, \d+\])"],
    }  # fmt: skip
    page = PAGE.replace(" 000", "000")
    for lesson, patterns in said.items():
        for pattern in patterns:
            (number,) = re.findall(pattern, FOUND[lesson])
            assert number in page, (lesson, pattern)


def test_the_example_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(code, {})
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows] == ["0.0", "1.0", "10.0"]
    assert rows[0][1] < rows[1][1] < rows[2][1]
