#!/usr/bin/env bash
# The day a GPU is lent, from a checkout, in at most eight minutes: bash bench/gpu_day.sh OUT [--dry-run] [--cases PART ...]
# OUT gets gpu.json and gpu.md, which are written as results come. The machine needs no registry: what its Python lacks
# lies as wheels in bench/wheels (pip download --only-binary :all: -d bench/wheels tyro tqdm pytest hypothesis).
# WHEELS: another folder of wheels   PYTHON: another Python than python3
set -euo pipefail
out=$(realpath -m "${1:?which folder gets the results? bash bench/gpu_day.sh OUT}")
shift
cd "$(dirname "$0")/.."
python=${PYTHON:-python3} wheels=${WHEELS:-bench/wheels}
packages=$(mktemp -d)
trap 'rm -rf "$packages"' EXIT
if compgen -G "$wheels/*.whl" >/dev/null; then
    "$python" -m pip --disable-pip-version-check --quiet install --no-index --find-links "$wheels" --no-deps \
        --target "$packages" "$wheels"/*.whl
fi
export PYTHONPATH="$PWD:$packages${PYTHONPATH:+:$PYTHONPATH}"
for module in numpy tqdm tyro pytest hypothesis; do
    "$python" -c "import $module" 2>/dev/null || { echo "$python lacks $module: put its wheel into $wheels" >&2; exit 1; }
done
timeout --kill-after=5 480 "$python" -m minires bench gpu --out "$out" "$@"
