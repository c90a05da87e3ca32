"""`python -m malformed.studies`: studies that somebody wrote with values of the wrong kind, and what is said of each.

A process of its own: the tests' run-time type checker would be the first to object.
"""

import json
from dataclasses import replace

from notbugs.features import Answered
from notbugs.study import Built, First, Mislabelled, Mixture, More, Probed, RightlyLabelled, Study, Trained
from notbugs.threats import L2
from notbugs.training import TrainConfig

HOW = TrainConfig(epochs=1, lr=0.1)
STUDY = Study(name="mine", source="planted", arch="linear", threat=L2(0.5), models={"one": Trained(how=HOW)})

FIELDS = {
    "a name that is a number": {"name": 7},
    "no name": {"name": None},
    "a threat as text": {"threat": "l2:0.5"},
    "models as a list": {"models": [Trained(how=HOW)]},
    "a model as text": {"models": {"one": "linear"}},
    "a model under a number": {"models": {1: Trained(how=HOW)}},
    "sets as a tuple": {"sets": ()},
    "a set as text": {"sets": {"few": "first"}},
    "steps as text": {"attack_steps": "20"},
    "half an image": {"tested": 0.5},
    "audited as text": {"audited": "one"},
    "audited by number": {"audited": (1,)},
    "counts of text": {"step_counts": ("1",)},
    "counts that are one": {"step_counts": 1},
    "seen as a list": {"seen": ["one"]},
    "seen as text": {"seen": {"data": "one"}},
    "claims as text": {"claims": "it is better"},
    "a claim as text": {"claims": ("it is better",)},
    "plots of nothing": {"plots": (None,)},
    "titles of numbers": {"titles": {"one": 1}},
    "published as text": {"published": {"one.clean": "a lot"}},
    "a question that is a list": {"question": ["why?"]},
    "a suite that is none": {"suite": None},
}

PARTS = {
    "trained how": lambda: Trained(how="quickly"),
    "trained on": lambda: Trained(how=HOW, on=7),
    "probed of": lambda: Probed(of=None, on="data"),
    "probed layer": lambda: Probed(of="one", on="data", layer=3),
    "built by": lambda: Built(builder=Answered(), by=None),
    "built with": lambda: Built(builder="det", by="one"),
    "first": lambda: First(count="many"),
    "first of": lambda: First(of=1, count=1),
    "mixture": lambda: Mixture(of="data", share="half"),
    "mislabelled": lambda: Mislabelled(of=None),
    "rightly labelled": lambda: RightlyLabelled(of=None),
    "more": lambda: More(says="", more=None, less=0.5, source=""),
}


def said(make):
    try:
        make()
    except Exception as error:
        return [type(error).__name__, str(error)]
    return ["nothing", ""]


if __name__ == "__main__":
    fields = {name: said(lambda wrong=wrong: replace(STUDY, **wrong)) for name, wrong in FIELDS.items()}
    print(json.dumps(fields | {name: said(make) for name, make in PARTS.items()}))  # noqa: T201
