"""docs/scaling.md says what the results behind it hold."""

import json
import re
from pathlib import Path

from benchmarks.plan import RECIPES, needs, passes, table

ROOT = Path(__file__).parent.parent
PAGE = " ".join((ROOT / "docs" / "scaling.md").read_text(encoding="utf-8").split())


def result(name: str) -> dict:
    return json.loads((ROOT / "results" / f"{name}.json").read_text())


def on_page(*phrases: str) -> None:
    for phrase in phrases:
        assert phrase in PAGE, phrase


def test_a_cluster_gains_and_changes_nothing() -> None:
    found = result("cluster")
    for name, row in found["gain"].items():
        on_page(f"| {row['one_worker']:.0f} s | {row['two_workers']:.0f} s | {row['gain']:.2f}x |")
        assert row["gain"] >= 1.8, name
    for name, row in result("killed")["killed"].items():
        assert row["the_same"] == row["files"] == row["there"], name
        on_page(f"`{name}` {row['the_same']} of {row['files']} files")


def test_building_costs_the_same_for_every_image() -> None:
    found = result("cluster")
    cost, build = found["cost"], found["gain"]["build"]["one_worker"]
    on_page(
        f"{1000 * cost['seconds_an_image']:.2f} ms an image",
        f"{cost['largest_residual']:.1f} s off the line",
        f"{cost['seconds'][-1]:.0f} s for 50 000",
        f"predicts {cost['seconds_an_image'] * 10_000 * 500 / 20:.0f} s",
        f"took {build:.0f}",
    )


def test_ranks_are_one_process_and_survive() -> None:
    found = result("ranks")
    step, killed = found["training"]["one step"], found["killed"]
    on_page(
        f"{step['two ranks']['largest_difference']:.1e}".replace("e-0", "e-"),
        f"{step['two threads']['largest_difference']:.1e}".replace("e-0", "e-"),
        f"{killed['the_same']} of {killed['trials']} trainings",
    )
    assert killed["the_same"] == killed["ended"] == killed["hit"] == killed["trials"]


def test_kills_memory_and_malformed_files() -> None:
    kills, memory, fuzz = result("kills"), result("memory"), result("fuzz")
    assert kills["kills"] == kills["identical"]
    on_page(f"{kills['identical']} of {kills['kills']} kills")
    rows = {name: row for name, row in memory.items() if isinstance(row, dict) and "peak_bytes" in row}
    for name, row in rows.items():
        assert row["exit"] == 0, name
        on_page(f"| {name} | {row['peak_bytes'] / 1e6:.0f} MB | {row['seconds']:.0f} s |")
    assert max(row["peak_bytes"] for row in rows.values()) < memory["limit"]
    tried = sum(row["tried"] for row in fuzz["parsers"].values())
    assert not any(row["unexpected"] for row in fuzz["parsers"].values())
    on_page(f"{tried // 1000} 000 changed inputs", f"{fuzz['minutes']:g} minutes")


def test_what_operations_cost_and_what_predicts_them() -> None:
    found = result("capacity")
    for arch, row in found["networks"].items():
        for name, seconds in row["seconds"].items():
            on_page(f"| {arch} | {name} | {1000 * seconds:.2f} | {1000 * row['predicted'][name]:.2f} |")
    for name, seconds in found["beside"].items():
        on_page(f"{1000 * seconds:.1f} ms ({name})")


def test_nothing_is_left_to_fill_in() -> None:
    assert not re.findall(r"\b[A-Z]{8,}\b", PAGE)


def test_the_plan_follows_from_them() -> None:
    found = result("capacity")
    cost = passes(found["networks"]["resnet18"])
    for text in (table(cost), needs(cost, found["beside"], 64)):
        lines = text.splitlines()
        assert len(lines) == 2 + len(RECIPES)
        on_page(*lines)
