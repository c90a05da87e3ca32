#!/usr/bin/env bash
# One call for a machine with an accelerator: benchmarks, then the CIFAR-10 study (resnet18, then resnet50 if time is
# left), everything worth keeping flat in one folder. Needs Python and torch; no network and no installation.
#
#   DATA_ROOT=data TIME_BUDGET_S=540 benchmarks/accelerator.sh [FOLDER]     (FOLDER: else $OUT, else results/accelerator)
#
# PYTHON  interpreter (python3)          PEERS=1  also the peers (asks the network)        RUNS  large files (runs/accelerator)
set -uo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3} DATA_ROOT=${DATA_ROOT:-} RUNS=${RUNS:-runs/accelerator} PEERS=${PEERS:-0}
OUT=${1:-${OUT:-results/accelerator}}
END=$((SECONDS + ${TIME_BUDGET_S:-540}))
export PYTHONPATH=src:. PYTHONUNBUFFERED=1
mkdir -p "$OUT" "$RUNS"
exec > >(tee "$OUT/log.txt") 2>&1

left() { echo $((END > SECONDS ? END - SECONDS : 1)); }
missing() { # the packages of the list that cannot be imported
  "$PYTHON" - "$@" <<'PYTHON'
import importlib.util, sys
print(*(name for name in sys.argv[1:] if importlib.util.find_spec(name) is None))
PYTHON
}
without() { echo "without $1: this machine has no $2" | tee -a "$OUT/missing.txt"; }

lacking=$(missing torch numpy safetensors jaxtyping)
[ -z "$lacking" ] || { without "anything" "$lacking"; exit 1; }
"$PYTHON" -c 'import torch; cuda = torch.cuda.is_available()
print("torch", torch.__version__, torch.cuda.get_device_name() if cuda else "no CUDA device: on the CPU")'

source=planted root=()
if [ -z "$DATA_ROOT" ]; then
  without "CIFAR-10, planted images instead" "DATA_ROOT"
elif lacking=$(missing pyarrow PIL) && [ -n "$lacking" ]; then
  without "CIFAR-10, planted images instead" "$lacking"
else
  source=cifar10 root=(--data-root "$DATA_ROOT")
fi

contenders=(ours plain_float32 plain_bfloat16)
[ "$PEERS" = 1 ] && contenders+=(foolbox torchattacks art)
echo "== benchmarks: ${contenders[*]} ($(left) s left)"
timeout --signal=INT --kill-after=20 "$(($(left) / 3 + 1))" "$PYTHON" -m benchmarks.run --source "$source" "${root[@]}" \
  --arch resnet18 --n 2048 --batch 512 --contenders "${contenders[@]}" --out "$OUT/bench.json" ||
  echo "benchmarks stopped early; bench.json has what was finished"

lacking=$(missing cyclopts rich matplotlib jinja2 pyarrow PIL)
if [ -n "$lacking" ]; then
  without "the study" "$lacking"
else
  for arch in resnet18 resnet50; do
    [ "$(left)" -ge 60 ] || { echo "no time for $arch"; break; }
    echo "== study $source --arch $arch ($(left) s left)"
    started=$(mktemp)
    timeout --signal=INT --kill-after=20 "$(left)" "$PYTHON" -m notbugs.app study "$source" "${root[@]}" \
      --out "$RUNS" --arch "$arch" --seed 0 --json >"$OUT/$arch.json" ||
      echo "the study of $arch did not finish; the same command goes on where it was, in $RUNS"
    [ -s "$OUT/$arch.json" ] || rm -f "$OUT/$arch.json"
    report=$(find "$RUNS" -name report.html -newer "$started" | head -1)
    [ -n "$report" ] && cp "$report" "$OUT/$arch.html"
    rm -f "$started"
  done
fi
echo "== done, $(left) s left; results in $OUT"
