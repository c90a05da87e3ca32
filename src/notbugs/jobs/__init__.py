"""Training, building, testing and auditing as run directories: begun, resumed and finished by the same call."""

from notbugs.jobs.auditing import audit_job, read_audit
from notbugs.jobs.building import build_flags, build_job, built_data
from notbugs.jobs.job import Job, resolved_precision
from notbugs.jobs.testing import test_job
from notbugs.jobs.training import model_spec, train_job, trained_model

__all__ = [
    "Job",
    "audit_job",
    "build_flags",
    "build_job",
    "built_data",
    "model_spec",
    "read_audit",
    "resolved_precision",
    "test_job",
    "train_job",
    "trained_model",
]
