"""What can be written on a command line and means nothing."""

from benchmarks.valid import ARCH

from malformed.entry import BUILD, TRAIN, Entry, both, copied, family, raw

DIGITS = ("--data", "digits")
LONG = "9" * 5000

SOURCES = (
    "", ":", "@", "@@", "digits@", "@fog", "digits@fog:", "digits@fog:nan", "digits@fog:inf", "digits@fog:-1",
    "digits@fog:99", "digits@fog:3:nowhere", f"digits@fog:{LONG}", "digits@low:", "digits@low:-1", "digits@low:nan",
    "digits@band:", "digits@band:9", "digits@band:9-3", "digits@band:a-b", "digits@band:1-2-3", "digits@noise:4",
    "digits@noise:4@", "digits@noise:-4@low:8", "digits@noise:nan@low:8", "digits@shuffled:", "digits@shuffled:0",
    "digits@shuffled:-1", "digits@shuffled:²", "digits@shuffled:٣", "digits@shuffled:7", f"digits@shuffled:{LONG}",
    "digits@without-texture:0", "digits@without-texture:999999", "digits@without-texture:4",
    "digits@without-colour:1",
    "digits@os:system", "digits:0,1", "planted:1", "squares:", "sketches:", "sketches:,", "sketches:cat",
    "sketches:cat,cat", "sketches:cat,unicorn", "cifar10:", "cifar10:cat", "tagged:", "tagged:tagged:", "tagged:@fog",
    "tagged:" * 3000 + "digits", "digits" + "@low:3" * 200, "folder:", "folder:\0", "folder:a\0b",
    "folder:" + "a" * 5000,
    "folder:../" * 50, "parquet:\0", "parquet:http://127.0.0.1:9/a.parquet", "parquet:nothing://a/b", "folder:memory://x",
    "folder:os:system", "folder:simplecache::file:///etc", "parquet:s3://", "built:os:system", "built:", "built:\0",
    "parquet:s3:///x", "folder:~nobody_at_all/x",
    "built:/", "built:/etc/passwd", "hf:", "hf:..", "hf:../../etc", "hf:os:system", "hf:a/b/c/d/../../..", "FOLDER:x",
    "digits ", " digits", "digits\n", "\udcff", "folder:\udcff", "digits;touch called", "$(touch called)", "{7*7}",
)  # fmt: skip

THREATS = (
    "", ":", "l2", "l2:", "l2:a", "l2:nan", "l2:inf", "l2:-1", "l2:0", "l2:1e999", "l2:1/0", "l2:1/2/3",
    "l2:/", "l2:0x10", "l2:1_0", "l2:١",
    f"l2:1/{LONG}", "linf:8", "linf:255", "l0:1", "l3:1", "L2:1", "l2:0.5:7", "l2:0.5@", "l2:0.5@@",
    "l2:0.5@band:", "l2:0.5@band:9-3", "l2:0.5@low:nan", "l2:0.5@region:", "l2:0.5@region:1,1,0x0",
    "l2:0.5@region:²,1,1x1",
    f"l2:0.5@region:{LONG},1,1x1", "l2:0.5@region:1,1,5", "l2:0.5@mask:", "l2:0.5@mask:nowhere.png",
    "l2:0.5@mask:/etc/passwd", "l2:0.5@mask:/dev/null", "l2:0.5@mask:a\0b", "l2:0.5@os:system", "l2:0.5@colour:1",
    "l2:0.5@low:8@low:8", "l2:0.5@l2:0.5", "os:system",
)  # fmt: skip

ATTACKS = (
    ":", "pgd", "pgd:", "pgd:l2", "pgd:l2:0.5", "pgd:l2:0.5:", "pgd:l2:0.5:a", "pgd:l2:0.5:0", "pgd:l2:0.5:-1",
    "pgd:l2:0.5:1.5", "pgd:l2:0.5:nan", "pgd:l2:0.5:²", f"pgd:l2:0.5:{LONG}", "pgd:l2:nan:7", "pgd:l3:1:7",
    "fgsm:l2:1:1",
    "PGD:l2:0.5:7", "pgd-nothing:l2:0.5:7", "os:system", "pgd:l2:0.5@band:9-3:7",
    "pgd:l2:0.5@mask:nowhere.png:7",
)  # fmt: skip

MODELS = (
    "", ":", "::", ":made", "json:", "os:system", "builtins:exec", "builtins:eval", "builtins:int", "builtins:input",
    "builtins:print", "builtins:exit", "sys:exit", "os:abort_", "os.path:join", "nowhere:made", "nowhere.at.all:made",
    ".:made", ".relative:made", "..:made", "a..b:made", "a b:made", "a\0b:made", "\udcff:made", "json:\udcff", "1:2",
    "raises:made", "raises_on_import:made", "leaves:made", "leaves_on_import:made", "syntax:made", "not_utf8:made",
    "recursive:made", "zoo:", "zoo:nowhere", "zoo:../../x", "zoo:\0", "timm:", "timm:nowhere", "torchvision:nowhere",
    "torchvision:os.system", "http://127.0.0.1:9/model.safetensors", "nothing://model", "s3://", "memory://nowhere",
    "/etc/passwd", "/dev/null", "/", "a" * 5000, "a" * 300 + ".safetensors", "~nobody_at_all/x", "file:///etc/passwd",
)  # fmt: skip

MODULES = both(
    raw("raises.py", "def made():\n    raise RuntimeError('no\\nmodel')\n"),
    raw("raises_on_import.py", "1 / 0\n"),
    raw("leaves.py", "import sys\ndef made():\n    sys.exit(0)\n"),
    raw("leaves_on_import.py", "import sys\nsys.exit(0)\n"),
    raw("syntax.py", "def made(:\n"),
    raw("not_utf8.py", b"x = '\xff'\n"),
    raw("recursive.py", "def made():\n    return made()\n"),
)
"""What the command line names is run: its mistakes are one line all the same."""

NUMBERS = {
    "--epochs": ("", "-1", "1.5", "nan", "a"),
    "--lr": ("", "-1", "inf", "-inf", "nan", "1e999", "a"),
    "--batch-size": ("0", "-1", "2.5", "a", "9" * 30),
    "--weight-decay": ("-1", "nan", "inf"),
    "--label-smoothing": ("-1", "1", "nan"),
    "--average": ("-1", "1", "nan"),
    "--translate": ("-1", "99", "a", "9" * 30),
    "--cutout": ("-1", "99", "9" * 30),
    "--noise": ("-1", "nan", "inf"),
    "--buffer": ("-1", "a"),
    "--workers": ("-1", "a"),
    "--seed": ("-1", "a", ""),
    "--device": ("", "gpu", "cuda:99", "cuda:a", "meta", "os:system"),
    "--precision": ("", "fp8", "float64"),
    "--on": ("", "spark"),
    "--ray-gpus": ("a", "1"),
    "--ray-address": ("nowhere:1",),
    "--out": ("file.txt", "file.txt/x", "/proc/nowhere", "a\0b", "nothing://x", "/dev/null/x"),
    "--arch": (
        "", "resnet17", "wrn-1-1", "wrn-16-0", "wrn-994-999", "wrn-²-2", "convnet-0-1-1-1",
        "convnet-1-1-1", "resnet9-0",
        "resnet50-9999999", "densenet-9999", "os:system", "../x", "linear-7", "convnet-99999-99999-99999-99999",
    ),
    "--data-root": ("nowhere", "file.txt", ""),
    "--nonsense": ("", "7"),
}  # fmt: skip

LIMITS = ("", "=", "robust", "robust=", "=0.4", "robust=a", "robust=nan", "robust=2", "robust=-1", "nothing=0.4",
          "robust=0.4=0.5", "conflict.x=0.1", "regions.mask.x=0.1")  # fmt: skip
SECTIONS = (",", "fog", "adversarial,", "adversarial,fog", "ADVERSARIAL", "os:system", " ")
FILES = {"model.safetensors": copied("model.safetensors"), "file.txt": raw("file.txt", "text")}
AUDIT = ("audit", "model.safetensors", *DIGITS, "--quiet", "--suite", "quick", "--n", "2")
LINES = (
    (), ("nothing",), ("train",), ("--nonsense",), ("report",), ("report", ""), ("report", "nowhere"),
    ("report", "file.txt"),
    ("report", "a\0b"), ("report", "nothing://x"), ("report", "/"), ("report", "\udcff"), ("export",), ("export", ""),
    ("export", "nowhere", "--to", "npz"), ("export", "file.txt", "--to", "npz"), ("export", "/", "--to", "npz"),
    ("export", ".", "--to", "pickle"), ("export", "a\0b", "--to", "npz"), ("study", "nothing"), ("study",
    "os:system"),
    ("study", "digits", "--recipe", "os:system"), ("study", "--data", "folder:nowhere"), ("study",
    "planted", "--quiet", "--arch", "x"),
    ("build",), ("build", "det"), ("audit",), ("audit", *DIGITS), ("audit", "zoo:nowhere", *DIGITS), ("corrupt",),
    ("corrupt", "nowhere"), ("draw", "nothing"), ("theory", "--nonsense"), ("theory", "nothing"),
    ("demo", "nowhere.safetensors"), ("train", "more", *DIGITS), ("train", *DIGITS, *DIGITS), ("train", "--data"),
    ("train", "--data="), ("train", "-"), ("train", "--", "x"), ("train", "\0"), ("\0",), ("train",
    *DIGITS, "\udcff"),
    ("doctor", "--device", "nothing"), ("doctor", "--seed", "-1"),
)  # fmt: skip


def _shortened(word: str) -> str:
    return repr(word if len(word) < 60 else f"{word[:50]} ({len(word)})")


def _each(what, words, make):
    return family(what, ((_shortened(word), word) for word in words), make)


ASKED = ("socket.connect (<socket", "os.mkdir /proc", "os.mkdir /dev/null", "code of ", "import of ")
"""What only the command line may ask for: to look at a URL, to write there, and to import."""


def _entry(name, argv, codes=(2,)):
    return Entry(
        name, both(*FILES.values()), argv, codes, allowed=ASKED if "http:" in name or "--out" in name else ()
    )


READABLE = ("digits@shuffled:٣", "digits@shuffled:7")

ENTRIES = [
    *_each("source", SOURCES, lambda name, word: _entry(
        name, (*TRAIN, "--data", word), (0, 2) if word in READABLE else (2,))),
    *_each("threat", THREATS, lambda name, word: _entry(
        name, ("audit", "model.safetensors", *DIGITS, "--quiet", "--n", "2", f"--threat={word}"))),
    *_each("attack", ATTACKS, lambda name, word: _entry(name, (*TRAIN, *DIGITS, f"--attack={word}"))),
    *_each("model", MODELS, lambda name, word: Entry(
        name, both(MODULES, *FILES.values()), ("audit", "--quiet", *DIGITS, "--n", "2", "--", word), allowed=ASKED)),
    *_each("model to build with", ("os:system", "builtins:exec", "zoo:nowhere", "http://127.0.0.1:9/x",
    "\0", "/dev/null"),
           lambda name, word: _entry(name, (*BUILD, *DIGITS, "--model", word))),
    *(
        _entry(f"option: {option}={_shortened(word)}", ("train", "--quiet", *DIGITS, f"{option}={word}",
               *(("--arch", ARCH) if option != "--arch" else ()), *(("--epochs",
               "1") if option != "--epochs" else ())))
        for option, words in NUMBERS.items()
        for word in words
    ),
    *_each("limit", LIMITS, lambda name, word: _entry(name, (*AUDIT, f"--fail-under={word}"))),
    *_each("sections", SECTIONS, lambda name, word: _entry(name, (*AUDIT, f"--sections={word}", "--threat", "l2:0"))),
    *(
        _entry(f"line: {_shortened(' '.join(words))}", words, (0, 2) if not words else (2,))
        for words in LINES
    ),
    *(
        _entry(f"data root for {source}", (*TRAIN, "--data", source, "--data-root", "."))
        for source in ("digits", "planted", "squares", "sketches", "folder:x", "parquet:x", "built:x",
        "tagged:digits",
                       "digits@fog:3", "tagged:digits@fog:3")
    ),
]  # fmt: skip
