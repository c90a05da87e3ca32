"""The result as tables."""

import json
from typing import Any

try:
    from rich.console import Console
    from rich.table import Table
except ImportError:  # a borrowed machine may lack it; the file has everything
    Console = None


SPEED = ("images/s", "min-max", "ours is", "ours per CPU s")


def show(result: dict[str, Any]) -> None:
    """Print one table per contest, each contender beside ours."""
    if Console is None:
        print(json.dumps(result, indent=1))
        return
    console = Console(width=110)
    machine = result["machine"]
    console.print(f"{machine['processor']}, {result['threads']} thread(s), torch {result['torch']}")
    for kind, contest in result["attack"].items():
        title = (
            f"PGD-{contest['task']['steps']} L2 {contest['task']['eps']} on the {kind} {result['arch']} "
            f"({contest['clean_accuracy']:.1%} clean), n={contest['n']}, batch {contest['batch']}"
        )
        table = _table(title, *SPEED, "success [95 %]", "robust", "outside")
        for name, row in contest["contenders"].items():
            low, high = row["success_interval"]
            success = f"{row['success_rate']:.2%} [{low:.1%}, {high:.1%}]"
            speed = _speed(row, contest)
            table.add_row(name, *speed, success, f"{row['robust_accuracy']:.2%}", str(row["outside_threat"]))
        console.print(table)
    if contest := result.get("training"):
        title = (
            f"PGD-{contest['task']['steps']} adversarial training, {contest['batches']} batches "
            f"of {contest['batch']}"
        )
        table = _table(title, *SPEED, "clean", "clean loss", "robust [95 %]")
        for name, row in contest["contenders"].items():
            low, high = row["robust_interval"]
            robust = f"{row['robust_accuracy']:.1%} [{low:.1%}, {high:.1%}]"
            speed = _speed(row, contest)
            table.add_row(name, *speed, f"{row['clean_accuracy']:.1%}", f"{row['clean_loss']:.3f}", robust)
        console.print(table)


def show_parity(result: dict[str, Any]) -> None:
    """Audits beside the official one; single attacks beside the peers'."""
    if Console is None:
        print(json.dumps(result, indent=1))
        return
    console = Console(width=110)
    for kind, contest in result["audits"].items():
        clean = f"{contest['clean_accuracy']:.1%} clean"
        title = f"{contest['threat']} on the {kind} {result['arch']} ({clean}), n={contest['n']}"
        table = _table(title, "robust [95 %]", "outside", "seconds", "times as fast as autoattack")
        slowest = contest["contenders"].get("autoattack")
        for name, row in contest["contenders"].items():
            low, high = row["robust_interval"]
            seconds = row["seconds"][0]
            ratio = f"{slowest['seconds'][0] / seconds:.1f} x" if slowest else ""
            robust = f"{row['robust_accuracy']:.1%} [{low:.1%}, {high:.1%}]"
            table.add_row(name, robust, str(row["outside_threat"]), f"{seconds:.1f}", ratio)
        console.print(table)
    for what, contest in result["singles"].items():
        steps = contest["task"]["steps"]
        title = f"{what}, {steps} steps, {contest['threat']}, robust {result['arch']}, n={contest['n']}"
        table = _table(title, *SPEED, "success", "median distance")
        for name, row in contest["contenders"].items():
            distance = f"{row['median_distance']:.4f}"
            table.add_row(name, *_speed(row, contest), f"{row['success_rate']:.2%}", distance)
        console.print(table)


def _table(title: str, *columns: str) -> "Table":
    table = Table("", title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _speed(row: dict[str, Any], contest: dict[str, Any]) -> tuple[str, str, str, str]:
    speed = row["images_per_second"]
    ours = contest["contenders"].get("ours", row)
    wall = ours["images_per_second"]["median"] / speed["median"]
    processor = ours["images_per_cpu_second"] / row["images_per_cpu_second"]
    return (
        f"{speed['median']:.1f}",
        f"{speed['min']:.1f}-{speed['max']:.1f}",
        f"{wall:.1f} x",
        f"{processor:.1f} x",
    )


def show_corruptions(result: dict[str, Any]) -> None:
    """Speed and likeness of each corruption, the worst of its severities."""
    if Console is None:
        print(json.dumps(result, indent=1))
        return
    console = Console(width=110)
    for size, rows in result["sizes"].items():
        table = _table(
            f"{size} pixels, n={result['n']}", "ms an image", "theirs", "times as fast", "likeness"
        )
        for name, row in rows["corruptions"].items():
            ours, theirs = (side["milliseconds"] for side in row["contenders"].values())
            speed = f"{ours:.3f}", f"{theirs:.2f}", f"{row['times_as_fast']:.1f}"
            table.add_row(name, *speed, _likeness(list(row["likeness"].values())))
        for label, total in rows["totals"].items():
            ours, theirs = total["milliseconds"].values()
            table.add_row(label, f"{ours:.2f}", f"{theirs:.1f}", f"{total['times_as_fast']:.1f}", "")
        console.print(table)


def _likeness(severities: list[dict[str, Any]]) -> str:
    if "mean_difference" in severities[0]:
        return f"{max(found['mean_difference'] for found in severities):.2f}/255"
    told = []
    for what in ("mean", "deviation"):
        worst = max((found[what] for found in severities), key=lambda ratio: abs(ratio["ratio_less_1"]))
        told.append(_percent(worst))
    bands = [ratio for found in severities for ratio in found["spectrum"].values()]
    told.append(_percent(max(bands, key=lambda ratio: abs(ratio["ratio_less_1"]))))
    return ", ".join(told)


def _percent(ratio: dict[str, float | None]) -> str:
    error = ratio["error"]
    return f"{ratio['ratio_less_1']:+.1%}" + ("" if error is None else f" ± {error:.1%}")
