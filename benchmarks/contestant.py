"""One contender in a process of its own: does one piece of work per line on stdin, answers its seconds on stdout.

    python -m benchmarks.contestant WHAT NAME DIRECTORY

WHAT is attack, train, audit or one of the single attacks. The directory holds `job.json`, `model.safetensors` and
`images.safetensors`; what comes out is written beside them. In a training, a piece is a slice of batches, else all
the images.
"""

import json
import os
import sys
import time
from pathlib import Path

import safetensors.torch
import torch

from benchmarks.attackers import ATTACKERS, Task
from benchmarks.auditors import AUDITORS, COUNTED, SUITES
from benchmarks.singles import SINGLES
from benchmarks.trainers import TRAINERS, Course


def main() -> None:
    what, name, directory = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a package prints must not look like an answer
    job = json.loads((directory / "job.json").read_text())
    torch.set_num_threads(job["threads"])
    torch.manual_seed(job["seed"])
    from notbugs.models import load_model, save_model

    device = torch.device(job["device"])
    model = load_model(directory / "model.safetensors").to(device).eval()
    if name.startswith("ours") or name in SUITES:
        from notbugs import hardware

        hardware.keep_freed_memory()
    else:  # PyTorch's own layout: what an ordinary model has, and what torchattacks needs
        model = model.to(memory_format=torch.contiguous_format)
    columns = safetensors.torch.load_file(directory / "images.safetensors")
    images, labels = columns["images"].to(device), columns["labels"].to(device)
    task = Task(**job["task"])
    clock = Clock(device, answers)
    if what != "train":
        call = {"attack": ATTACKERS, "audit": AUDITORS, **SINGLES}[what][name]
        call(model, images[:32], labels[:32], task)  # not counted: first calls load kernels
        print(COUNTED, file=sys.stderr, flush=True)
        while clock.wait():
            found = call(model, images, labels, task)
            clock.answer()
            result = {"images": found.detach().float().cpu().contiguous()}
            safetensors.torch.save_file(result, directory / f"{name}.safetensors")
    else:
        course = Course(task=task, batches=job["batches"], lr=job["lr"], seed=job["seed"])
        clock.wait()
        TRAINERS[name](model, images, labels, course, clock.turn)
        save_model(model.cpu(), directory / f"{name}.safetensors")
        print("{}", file=answers, flush=True)


class Clock:
    """Waits for its turn; tells how long the turn took, on the wall and in CPU seconds of all threads."""

    def __init__(self, device: torch.device, answers: object) -> None:
        self.device, self.answers = device, answers

    def wait(self) -> bool:
        print("{}", file=self.answers, flush=True)
        going = bool(sys.stdin.readline().strip())
        self.started = time.perf_counter(), time.process_time()
        return going

    def answer(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        wall, cpu = time.perf_counter() - self.started[0], time.process_time() - self.started[1]
        print(json.dumps({"seconds": wall, "cpu_seconds": cpu}), file=self.answers, flush=True)

    def turn(self) -> None:
        """The end of a slice: answer, then wait for the next."""
        self.answer()
        sys.stdin.readline()
        self.started = time.perf_counter(), time.process_time()


if __name__ == "__main__":
    main()
