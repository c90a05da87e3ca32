"""Run directories whose JSON lies: what a report is made from."""

import json

from malformed.entry import Entry, both, copied, drop, family, put, raw, rewritten
from malformed.pictures import linked, pipe

DEEP = "[" * 100_000 + "]" * 100_000
HTML = "<script>alert(1)</script><img src=x onerror=alert(1)>"
NAN = float("nan")

TEXTS = {
    "empty": "", "no JSON": "{", "a list": "[]", "null": "null", "a number": "7", "text": '"result"', "true": "true",
    "nested deeply": DEEP, "an object nested deeply": '{"metrics": ' + DEEP + "}", "not UTF-8": b"\xff\xfe{}",
    "a number of 5000 digits": '{"metrics": ' + "9" * 5000 + "}", "no key at all": "{}", "a zero byte": b"\0",
    "half a surrogate": '{"command": "\\ud800", "metrics": {}, "config": {}}', "two objects": "{}{}",
}  # fmt: skip

FILES = ("result.json", "config.json", "provenance.json")

CHANGES = {
    "train": {
        "a command that is unknown": put("command", "os:system"),
        "a command of HTML": put("command", HTML),
        "a command that is a list": put("command", ["train"]),
        "a command of a study": put("command", "study"),
        "a command of an audit": put("command", "audit"),
        "a command of a drawing": put("command", "draw"),
        "a command of the theory": put("command", "theory"),
        "a command of corruptions": put("command", "corrupt"),
        "a command of a comparison": put("command", "comparison"),
        "no command": drop("command"),
        "no config": drop("config"),
        "no metrics": drop("metrics"),
        "a config that is a list": put("config", []),
        "metrics that are a list": put("metrics", [1, 2]),
        "metrics that are text": put("metrics", {"clean_accuracy": "a lot"}),
        "metrics of NaN": put("metrics", {"clean_accuracy": NAN}),
        "metrics of objects": put("metrics", {"clean_accuracy": {}}),
        "metrics of infinity": put("metrics", {"clean_accuracy": float("inf")}),
        "metrics of 300 digits": put("metrics", {"clean_accuracy": 10**300}),
        "metrics of 400 digits": put("metrics", {"clean_accuracy": 10**400}),
        "a metric's name of HTML": put("metrics", {HTML: 0.5}),
        "intervals of one": put("intervals", {"clean_accuracy": [1]}),
        "intervals that are text": put("intervals", "wide"),
        "seconds that are text": put("seconds", "long"),
        "seconds of NaN": put("seconds", NAN),
        "seconds without end": put("seconds", float("inf")),
        "seconds of 400 digits": put("seconds", 10**400),
        "flags that are a number": put("flags", 7),
        "flags of text": put("flags", ["beware"]),
        "flags of HTML": put("flags", [{"of": HTML, "reason": HTML}]),
        "a device of HTML": put("device", HTML),
        "data that is text": put("config/data", "tiny"),
        "a name of data of HTML": put("config/data/name", HTML),
        "a name of data that is a list": put("config/data/name", [HTML]),
        "a model that is a number": put("config/model", 7),
        "a network of HTML": put("config/model/arch", HTML),
        "a seed of HTML": put("config/seed", HTML),
        "HTML as a key of config": put(f"config/{HTML.replace('/', '')}", HTML),
    },
    "build": {
        "no builder": drop("config/builder"),
        "a builder that is text": put("config/builder", "det"),
        "a kind that is a list": put("config/builder/kind", ["det"]),
        "a kind of HTML": put("config/builder/kind", HTML),
    },
    "audit": {
        "a stage outside": put("stages/0/adversarial", "../../../etc"),
        "a stage at an absolute path": put("stages/0/adversarial", "/etc"),
        "a stage that is a number": put("stages/0/adversarial", 7),
        "a stage that is not there": put("stages/0/adversarial", "nowhere"),
        "a stage with a zero byte": put("stages/0/adversarial", "a\0b"),
        "stages that are text": put("stages", "adversarial"),
        "fewer stages than models": put("stages", []),
        "an unknown section": put("stages/0/factory", "os:system"),
        "a model named as code": put("config/models/0/named", "os:system"),
        "a model named by HTML": put("config/models/0/named", HTML),
        "a model without a name": drop("config/models"),
        "models that are a number": put("config/models", 7),
        "a threat that is unknown": put("config/threat", "l3:7"),
        "a threat of HTML": put("config/threat", f"l2:0.5@{HTML}"),
        "a threat that reads a file": put("config/threat", "l2:0.5@mask:/etc/passwd"),
        "a threat that is a list": put("config/threat", ["l2:0.5"]),
        "class names that are a number": put("class_names", 7),
        "class names of HTML": put("class_names", [HTML] * 10),
        "no class names": put("class_names", []),
        "a source that is a pipe": put("config/data/name", "folder:pipe"),
        "a source over the network": put("config/data/name", "parquet:http://127.0.0.1:9/a.parquet"),
        "a source in a store": put("config/data/name", "built:s3://bucket/set"),
        "a source in a store that is no module": put("config/data/name", "folder:os.system://x"),
        "a source that is a device": put("config/data/name", "parquet:/dev/zero"),
        "a source behind a zero byte": put("config/data/name", "folder:a\0b"),
        "a source of many shifts": put("config/data/name", "digits" + "@fog:3" * 300),
        "a source of many tags": put("config/data/name", "tagged:" * 5000 + "digits"),
        "a gigantic shift": put("config/data/name", "digits@shuffled:999999999"),
        "n that is text": put("config/n", "many"),
        "n below zero": put("config/n", -5),
        "a seed that is text": put("config/seed", "zero"),
    },
    "study": {
        "a stage outside": put("stages/standard", "../../.."),
        "a stage at an absolute path": put("stages/data_d_det", "/etc"),
        "a stage that is an object": put("stages/standard", {}),
        "no stages": put("stages", {}),
        "no models": put("models", []),
        "models that are text": put("models", "standard"),
        "models of HTML": put("models", [[HTML, HTML]]),
        "titles of HTML": put("models", [["standard", HTML], ["d_det", HTML]]),
        "an earlier version": drop("models"),
        "no sets": put("sets", []),
        "sets of numbers": put("sets", [7]),
        "verdicts of text": put("verdicts", ["agrees"]),
        "verdicts of HTML": put(
            "verdicts",
            [{"says": HTML, "found": HTML, "finding": HTML, "source": HTML, "published": HTML, "value": 1,
              "interval": [0, 1]}],
        ),
        "a chance of text": put("chance", "half"),
        "a chance of HTML": put("chance", HTML),
        "a question of HTML": put("question", HTML),
        "a question that is a list": put("question", [HTML]),
        "a study that is text": put("config/study", "tiny"),
        "a study without an architecture": drop("config/study/arch"),
        "a source that is a number": put("config/study/source", 7),
        "a source that calls": put("config/study/source", "$(touch called)"),
        "a threat that is null": put("config/study/threat", None),
        "steps of HTML": put("config/study/attack_steps", HTML),
        "attacks of numbers": put("attacks", [7]),
        "sets made of themselves": put("config/study/sets/d_det/of", "d_det"),
        "a type of set as code": put("config/study/sets/d_det/type", "os:system"),
        "metrics without a model": put("metrics/nobody.clean", 0.5),
        "metrics that are a list": put("metrics", []),
        "counts that are text": put("counts", "ten"),
        "intervals the other way round": put("intervals/standard.clean", [9, -9]),
        "plots of HTML": put(
            "config/study/plots",
            [{"title": HTML, "caption": HTML, "x": HTML, "y": HTML, "log": "x", "joined": True,
              "lines": {HTML: [[0, "standard.clean"]]}}],
        ),
        "seconds of stages that are text": put("stage_seconds", {"standard": "long"}),
    },
}  # fmt: skip

ORIGIN = {
    "a shard outside": put("shards/0/file", "../shard-00000.safetensors"),
    "a shard at an absolute path": put("shards/0/file", "/etc/passwd"),
    "a shard called ..": put("shards/0/file", ".."),
    "a shard with a zero byte": put("shards/0/file", "a\0b"),
    "a shard twice": put("shards", [{"file": "shard-00000.safetensors"}] * 2),
    "a shard that is a number": put("shards/0/file", 7),
    "a shard that is not there": put("shards/0/file", "nowhere"),
    "a shard that is the manifest": put("shards/0/file", "origin.json"),
    "shards that are text": put("shards", "shard"),
    "shards of text": put("shards", ["shard-00000.safetensors"]),
    "no shards": put("shards", []),
    "a digest that is a number": put("shards/0/sha256", 7),
    "no digest": drop("shards/0/sha256") if False else put("shards/0", {"file": "shard-00000.safetensors"}),
    "class names that are a number": put("class_names", 7),
    "class names of numbers": put("class_names", list(range(10))),
    "class names of lists": put("class_names", [[]] * 10),
    "class names that are text": put("class_names", "abc"),
    "no class names": put("class_names", []),
    "class names that are null": put("class_names", None),
    "no name": drop("name"),
    "no parent": drop("parent"),
}

HARMLESS_ORIGIN = {
    "a name that is a number": put("name", 7),
    "a name with a path": put("name", "../../../evil"),
    "a licence that is a list": put("licence", ["MIT"]),
    "a recipe that is text": put("recipe", "det"),
    "a recipe without a seed": put("recipe", {}),
    "measures that are text": put("measured", "well"),
    "measures of text": put("measured", {"fooling_rate": "often"}),
    "measures of NaN": put("measured", {"fooling_rate": NAN, HTML: NAN}),
    "a parent that is a number": put("parent", 7),
    "a name of class with a path": put("class_names", [f"../../evil{n}" for n in range(10)]),
    "a name of class of HTML": put("class_names", [f"{HTML}{n}" for n in range(10)]),
    "a name of class that is ..": put(
        "class_names", ["..", ".", "", "/", "/etc", "a\nb", "con", "\ud800", "~", "*"]
    ),
    "class names twice the same": put("class_names", ["same"] * 10),
}

METRICS = {
    "empty": "", "no JSON": "loss 7", "a list": "[1]\n", "null": "null\n", "nested deeply": DEEP,
    "not UTF-8": b"\xff\n",
    "half a line": '{"epoch": 0, "lo', "no keys": "{}\n{}\n",
    "text": json.dumps({"epoch": "0", "loss": "a", "accuracy": "b", "lr": "c", "validation_accuracy": HTML}) + "\n",
    "NaN": '{"epoch": 0, "loss": NaN, "accuracy": NaN, "lr": NaN, "validation_accuracy": NaN}\n',
    "infinity": '{"epoch": 0, "loss": Infinity, "accuracy": 1e999, "lr": 1, "validation_accuracy": null}\n',
    "400 digits": '{"epoch": 0, "loss": %s, "accuracy": 1, "lr": 1}\n' % ("9" * 400),
    "epochs of HTML": json.dumps({"epoch": HTML, "loss": 1, "accuracy": 1, "lr": 1}) + "\n",
}  # fmt: skip


def _reported(name, kind, *writes):
    return Entry(
        name, both(copied(kind, "run"), *writes), ("report", "run"), codes=(0, 2), writes=("run/report.html",)
    )


def _exported(name, write, to, codes=(2,)):
    changes = both(copied("build", "set"), write)
    return Entry(name, changes, ("export", "set", "--to", to, "--out", "out"), codes=codes, writes=("out/",))


ENTRIES = [
    *(
        _reported(f"{kind} {file}: {label}", kind, raw(f"run/{file}", text))
        for kind, file in (*(("train", file) for file in FILES), ("audit", "config.json"), ("study", "config.json"),
                           ("audit", "adversarial-*/result.json"), ("study", "standard-*/config.json"))
        for label, text in TEXTS.items()
        if "*" not in file and (kind == "train" or label in ("null", "no key at all", "nested deeply"))
    ),
    *(
        _reported(f"{kind} result.json: {label}", kind, rewritten("run/result.json", change))
        for kind, changes in CHANGES.items()
        for label, change in changes.items()
    ),
    *(
        _reported(f"{kind} config.json: {label}", kind, rewritten("run/config.json",
        put(place.removeprefix("config/"), value)))
        for kind, label, place, value in (
            ("audit", "a source that is a pipe", "data/name", "folder:pipe"),
            ("audit", "a source over the network", "data/name", "parquet:http://127.0.0.1:9/a.parquet"),
            ("audit", "a source in a store", "data/name", "built:s3://bucket/set"),
            ("audit", "a source of a shell", "data/name", "folder:simplecache::ssh://x/y"),
            ("audit", "a source that is a number", "data/name", 7),
            ("audit", "a source of many tags", "data/name", "tagged:" * 5000 + "digits"),
            ("audit", "a digest that is a list", "data/digest", []),
            ("audit", "data that is a list", "data", []),
            ("audit", "n that is text", "n", "many"),
            ("audit", "a seed that is text", "seed", "zero"),
            ("study", "a study that is text", "study", "tiny"),
            ("study", "a source that is a list", "study/source", ["planted"]),
        )
    ),
    *(
        _reported(f"stage {file}: {label}", kind, rewritten(f"run/{file}", change))
        for kind, file, label, change in (
            ("audit", "adversarial-*/result.json", "no metrics", drop("metrics")),
            ("audit", "adversarial-*/result.json", "metrics of text", put("metrics/robust_accuracy", "few")),
            ("audit", "adversarial-*/result.json", "intervals of text", put("intervals/robust_accuracy", "few")),
            ("audit", "saliency-*/result.json", "intervals that are null", put("intervals", None)),
            ("study", "standard-*/config.json", "classes of text", put("model/classes", "ten")),
            ("study", "standard-*/config.json", "a model that is text", put("model", HTML)),
        )
    ),
    *family("build origin.json", ORIGIN.items(), lambda name, change: _exported(name,
    rewritten("set/origin.json", change), "npz")),
    *family(
        "reported origin.json",
        {**ORIGIN, **HARMLESS_ORIGIN}.items(),
        lambda name, change: _reported(name, "build", rewritten("run/origin.json", change)),
    ),
    *(
        _exported(f"build origin.json as {to}: {label}", rewritten("set/origin.json", change), to, (0, 2))
        for to in ("npz", "parquet", "imagefolder")
        for label, change in HARMLESS_ORIGIN.items()
    ),
    *family("build origin.json", TEXTS.items(), lambda name, text: _exported(name, raw("set/origin.json",
    text), "npz")),
    *family("metrics.jsonl", METRICS.items(), lambda name, text: _reported(name, "train",
    raw("run/metrics.jsonl", text))),
    *(
        _reported(f"a {what} in place of {file}", "train", lambda here, valid,
        file=file: (here / "run" / file).unlink(), make(f"run/{file}"))
        for file in (*FILES, "metrics.jsonl")
        for what, make in (("pipe", pipe), ("link to a device", lambda name: linked(name, "/dev/zero")))
    ),
]  # fmt: skip
