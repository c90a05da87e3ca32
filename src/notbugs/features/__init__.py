"""The subject: data sets that hold only some of the features, and how useful and robust a feature is."""

from notbugs.features.answering import Answered
from notbugs.features.builder import (
    SHARD_SIZE,
    Builder,
    build_dataset,
    build_shard,
    built_origin,
    prepare,
    shard_count,
)
from notbugs.features.matching import MatchEmbeddings, robust_dataset
from notbugs.features.relabeling import PushToTarget, Targets, nonrobust_dataset
from notbugs.features.untransferable import PushAlone
from notbugs.features.useful import USEFUL, Kind, Usefulness
from notbugs.features.usefulness import linear_usefulness, usefulness

__all__ = [
    "robust_dataset",
    "nonrobust_dataset",
    "Answered",
    "Builder",
    "MatchEmbeddings",
    "PushAlone",
    "PushToTarget",
    "Targets",
    "build_dataset",
    "build_shard",
    "built_origin",
    "prepare",
    "shard_count",
    "SHARD_SIZE",
    "Kind",
    "USEFUL",
    "Usefulness",
    "linear_usefulness",
    "usefulness",
]
