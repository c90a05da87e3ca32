"""Training, building, testing and auditing as run directories: begun, resumed and finished by the same call."""

from notbugs.jobs.adversarial import adversarial_job, read_adversarial
from notbugs.jobs.auditing import audit_job
from notbugs.jobs.building import build_flags, build_job, built_data
from notbugs.jobs.corrupting import corrupt_job
from notbugs.jobs.drawing import draw_job
from notbugs.jobs.estimate import expected_conflict_seconds, expected_seconds
from notbugs.jobs.job import Job, resolved_precision
from notbugs.jobs.plan import PLANS, SECTIONS, Plan
from notbugs.jobs.probing import probe_job
from notbugs.jobs.regions import read_regions, region_job
from notbugs.jobs.saliency import read_saliency, saliency_job
from notbugs.jobs.sections import (
    heat_map_job,
    read_heat_map,
    read_shifts,
    shift_groups,
    shifts_job,
)
from notbugs.jobs.subject import Subject
from notbugs.jobs.teaching import read_lesson, theory_job
from notbugs.jobs.testing import fooled_job, steps_job, test_job
from notbugs.jobs.training import model_spec, train_job, trained_model
from notbugs.jobs.usefulness import read_usefulness, usefulness_job

__all__ = [
    "Job",
    "PLANS",
    "Plan",
    "SECTIONS",
    "Subject",
    "adversarial_job",
    "audit_job",
    "build_flags",
    "build_job",
    "corrupt_job",
    "draw_job",
    "expected_conflict_seconds",
    "expected_seconds",
    "built_data",
    "heat_map_job",
    "model_spec",
    "probe_job",
    "read_adversarial",
    "read_heat_map",
    "read_lesson",
    "read_regions",
    "read_saliency",
    "read_shifts",
    "read_usefulness",
    "region_job",
    "saliency_job",
    "shift_groups",
    "shifts_job",
    "resolved_precision",
    "steps_job",
    "test_job",
    "theory_job",
    "train_job",
    "trained_model",
    "fooled_job",
    "usefulness_job",
]
