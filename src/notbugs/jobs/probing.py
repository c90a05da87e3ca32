"""A linear probe of a model's representation as a run directory."""

from notbugs.alone import alone_in
from notbugs.audits import Proportion, predictions
from notbugs.data.labeled import LabeledImages
from notbugs.jobs.job import Job
from notbugs.models import ImageClassifier, model_digest, save_model
from notbugs.runs import Run, open_run
from notbugs.training import DECAY, ITERATIONS, Layer, probe


def probe_job(
    job: Job,
    name: str,
    model: ImageClassifier,
    data: LabeledImages,
    *,
    layer: Layer,
    validation: LabeledImages | None = None,
) -> Run:
    """What `probe` makes of the model, in a run directory; returns at once if it is there."""
    described = {
        "command": "probe",
        "probed": model_digest(model),
        "layer": layer,
        "decay": DECAY,
        "iterations": ITERATIONS,
        "model": {**model.spec.to_dict(), "classes": data.classes},
        "data": data.known_by,
        "validation": validation.digest if validation else None,
    }
    run = open_run(job.root, name, described)
    with alone_in(run.path, job.progress):
        if run.is_done:
            return run
        clock = run.clock()
        found = probe(model, data, layer=layer, progress=job.progress)
        save_model(found, run.model)
        right = {"train": data, **({"clean": validation} if validation else {})}
        counted = {
            f"{key}_accuracy": Proportion(int((predictions(found, of.images) == of.labels).sum()), len(of))
            for key, of in right.items()
        }
        run.finish(
            {
                "command": "probe",
                "config": described,
                "metrics": {key: one.value for key, one in counted.items()},
                "intervals": {key: one.interval for key, one in counted.items()},
                "flags": [],
                "model": model_digest(found),
                "seconds": clock.seconds,
                "device": str(data.images.device),
            }
        )
    return run


__all__ = ["probe_job"]
