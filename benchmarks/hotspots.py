"""`python -m benchmarks.hotspots`: where the time of an attack and of a training step goes, by torch.profiler."""

import argparse
from collections.abc import Callable

import torch
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

from notbugs import hardware
from notbugs.attacks.pgd import PGD
from notbugs.data import load
from notbugs.models import build
from notbugs.models.autocast import autocast_context
from notbugs.models.folding import FoldedClassifier
from notbugs.threats import L2


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hotspots", description=__doc__)
    parser.add_argument("--arch", default="wrn-10-2")
    parser.add_argument("--source", default="cifar10")
    parser.add_argument("--data-root")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    hardware.keep_freed_memory()
    device = hardware.choose_device("auto")
    data = load(options.source, split="test", root=options.data_root).first(options.batch).to(device)
    model = build(options.arch, classes=data.classes, seed=0).to(device)
    precision = hardware.choose_precision("auto", device)
    searched = FoldedClassifier(model, precision)
    attack = PGD(threat=L2(0.5), steps=7, step_size=0.125, random_start=False, keep="last")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True, fused=True)

    def search() -> None:
        attack(searched, data.images, data.labels, generator=torch.Generator(device))

    def learn() -> None:
        model.train()
        with autocast_context(device, precision):
            logits = model(data.images.contiguous(memory_format=torch.channels_last)).float()
        optimizer.zero_grad(set_to_none=True)
        functional.cross_entropy(logits, data.labels).backward()
        optimizer.step()

    print(f"{options.arch}, batch {options.batch}, {precision}, {device}, {options.threads} thread(s)")
    _shares("PGD-7", search)
    _shares("one training step without its attack", learn)
    _shares("searched.refresh()", searched.refresh)


def _shares(title: str, work: Callable[[], None], top: int = 10) -> None:
    work()  # first calls load kernels
    work()
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * torch.cuda.is_available()
    with profile(activities=activities) as recorded:
        work()
    events = recorded.key_averages()
    spent = {e.key: (e.self_device_time_total or e.self_cpu_time_total, e.count) for e in events}
    total = sum(time for time, _ in spent.values())
    print(f"\n{title}: {total / 1000:.1f} ms")
    for name, (time, count) in sorted(spent.items(), key=lambda item: -item[1][0])[:top]:
        print(f"{time / total:7.1%}  {time / 1000:8.1f} ms  {count:5d} x  {name}")


if __name__ == "__main__":
    main()
