"""A heat map by gatheluck/FourierHeatmap, in its own environment: `python -m benchmarks.heatmap_peer TASK`."""

import json
import sys
import time
from pathlib import Path

import torch


def main() -> None:
    task = json.loads(sys.argv[1])
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision
    from fhmap.fourier.heatmap import eval_fourier_heatmap
    from torchvision import transforms

    import notbugs

    torch.set_num_threads(task["threads"])
    test = notbugs.load("cifar10", root=task["root"], split="test").first(task["n"])

    class Images(torchvision.datasets.VisionDataset):
        """As its own data sets are: pictures, turned into tensors and normalised one by one."""

        def __init__(self) -> None:
            identity = transforms.Normalize((0.0,) * 3, (1.0,) * 3)  # our networks normalise themselves
            super().__init__(".", transform=transforms.Compose([transforms.ToTensor(), identity]))
            self.pictures = [transforms.functional.to_pil_image(image) for image in test.images]

        def __len__(self) -> int:
            return len(self.pictures)

        def __getitem__(self, index: int):
            return self.transform(self.pictures[index]), int(test.labels[index])

    model = notbugs.load_model(Path(task["model"])).eval()
    data = Images()
    started = time.perf_counter()
    with torch.no_grad():  # theirs keeps the graph; without this it is slower still
        (errors,) = eval_fourier_heatmap(
            32, 0, task["norm"], model, data, task["batch_size"], torch.device("cpu"), topk=(1,)
        )
    seconds = time.perf_counter() - started
    Path(task["result"]).write_text(json.dumps({"seconds": seconds, "errors": errors.tolist()}))


if __name__ == "__main__":
    main()
