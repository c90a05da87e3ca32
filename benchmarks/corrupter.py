"""A process that corrupts images: `python -m benchmarks.corrupter ours|imagecorruptions THREADS`.

For each line on stdin, a list in JSON (corruption, severity, seed, images, file of images, file for the result):
seconds on the wall and of all cores, on stdout. Images are bytes, (n, height, width, 3), as both files have them;
what the time covers begins and ends with what each side works on: arrays of bytes there, batches of float32 here.
"""

import json
import os
import sys
import time
from collections.abc import Callable

import numpy as np

Corrupt = Callable[[str, int, int, int], Callable[[], np.ndarray]]


def ours(images: np.ndarray, threads: int) -> Corrupt:
    import torch

    from notbugs import hardware
    from notbugs.shifts import Corruption

    hardware.keep_freed_memory()
    torch.set_num_threads(threads)
    batch = torch.from_numpy(images).permute(0, 3, 1, 2).float().div(255).contiguous()

    def corrupt(name: str, severity: int, seed: int, count: int) -> Callable[[], np.ndarray]:
        corruption = Corruption(name, severity, "imagenet")  # the only parameters that imagecorruptions has
        corrupted = corruption(batch[:count], seed=seed)
        return lambda: corrupted.mul(255).add_(1e-3).byte().permute(0, 2, 3, 1).numpy()

    return corrupt


def imagecorruptions(images: np.ndarray, threads: int) -> Corrupt:
    import cv2
    from imagecorruptions import corrupt as corrupted
    from imagecorruptions import corruptions
    from skimage.filters import gaussian

    cv2.setNumThreads(threads)
    # Its word for colours is gone from scikit-image.
    corruptions.gaussian = lambda *given, multichannel=False, **options: gaussian(
        *given, channel_axis=-1 if multichannel else None, **options
    )

    def corrupt(name: str, severity: int, seed: int, count: int) -> Callable[[], np.ndarray]:
        np.random.seed(1000 * severity + seed)  # noqa: NPY002
        found = [corrupted(image, corruption_name=name, severity=severity) for image in images[:count]]
        return lambda: np.stack(found)

    return corrupt


def main() -> None:
    side, threads = {"ours": ours, "imagecorruptions": imagecorruptions}[sys.argv[1]], int(sys.argv[2])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a package prints must not look like an answer
    ready: dict[str, Corrupt] = {}
    for line in sys.stdin:
        name, severity, seed, count, source, result = json.loads(line)
        if source not in ready:
            ready[source] = side(np.load(source), threads)
        corrupt = ready[source]
        started = time.perf_counter(), time.process_time()
        found = corrupt(name, severity, seed, count)
        seconds, cpu_seconds = time.perf_counter() - started[0], time.process_time() - started[1]
        np.save(result, found())
        del found  # neither side is to ask the system for memory while this one's is still held
        print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds}), file=answers, flush=True)


if __name__ == "__main__":
    main()
