#!/usr/bin/env bash
# Makes .venv from the pinned list of this machine's kind: envs/cpu.txt, or envs/cuda.txt where nvidia-smi answers;
# Snakemake's SLURM plugin of that list only where there is sbatch.
#   envs/setup.sh          make or bring up to date (nothing to do: under a second)
#   envs/setup.sh lock     resolve pyproject.toml anew into envs/cpu.txt and envs/cuda.txt
set -euo pipefail
cd "$(dirname "$0")/.."

kind=cpu
if command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; then kind=cuda; fi
pins=envs/$kind.txt
uv=.venv/bin/uv

# Snakemake imports every plugin that is there whenever it starts, in each job too; SLURM's brings pandas along (0.4 s).
pinned() {
  if command -v sbatch >/dev/null; then cat $pins; else grep -v '^snakemake-executor-plugin-slurm' $pins; fi
}

# uv does not read pip's settings; a folder of wheels named there is meant for every installer.
links=$(python3 -m pip config list 2>/dev/null | sed -n "s/.*find-links='\(.*\)'/\1/p" | head -n 1)
if [ -n "$links" ] && [ -z "${UV_FIND_LINKS:-}" ]; then export UV_FIND_LINKS=${links// /,}; fi
export UV_HTTP_RETRIES=${UV_HTTP_RETRIES:-1}

make_venv() {
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; python3 is $(python3 -V)" >&2; exit 1; }
  if [ ! -x $uv ]; then
    python3 -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.8 2>&1 | { grep -v '^WARNING: Location' || :; }
  fi
}

lock() {
  # The local build's suffix (+cpu) is cut off: users elsewhere cannot install it by that name.
  for kind in cpu cuda; do
    how=(--universal); if [ $kind = cpu ]; then how=(--torch-backend=cpu --override envs/without-triton.txt); fi
    if [ -n "${UV_FIND_LINKS:-}" ] && [ $kind = cpu ]; then how=(--override envs/without-triton.txt); fi
    rm -f envs/$kind.txt
    $uv pip compile --quiet pyproject.toml --extra $kind --extra slurm --extra dev "${how[@]}" --python-version 3.11 \
      --no-header --no-annotate --no-emit-find-links -o envs/$kind.txt
    sed -i 's/^\(torch==[^+ ]*\)+[a-z0-9]*/\1/' envs/$kind.txt
    echo "envs/$kind.txt: $(grep -c == envs/$kind.txt) distributions"
  done
}

install() {
  local torch; torch=$(sed -n 's/^\(torch==[^ ;]*\).*/\1/p' $pins)
  # PyTorch's own index has the build that suits the machine; PyPI's Linux build is the CUDA one (3 GB).
  if ! $uv pip install --quiet --torch-backend=$([ $kind = cpu ] && echo cpu || echo auto) "$torch" 2>/dev/null; then
    echo "PyTorch's index does not answer: taking $torch from the package index instead" >&2
    $uv pip install --quiet "$torch"
  fi
  # The list is complete, so nothing is resolved again (on a CPU that leaves out triton, see envs/without-triton.txt).
  pinned | $uv pip install --quiet --no-deps --requirement -
}

if [ "${1:-}" = lock ]; then make_venv; lock; exit; fi
stamp=.venv/.installed-from
if pinned | cmp -s - $stamp; then exit 0; fi
started=$SECONDS
echo "setting up .venv from $pins" >&2
make_venv
install
.venv/bin/python -m stages.versions page
# uv leaves compiling to Python, which does it at the first import, if it may write; where PYTHONDONTWRITEBYTECODE is
# set, every job would compile torch and transformers anew (5 s each).
heavy=transformers.models.hubert.modeling_hubert,transformers.models.bert.modeling_bert,sklearn.linear_model,scipy.stats
heavy+=,pandas,h5py,faiss,soundfile,soxr,opensmile,pytest,xdist
export -n PYTHONDONTWRITEBYTECODE
.venv/bin/python -c "import $heavy"
# Both tools import as they go, so they are run once: nothing of it is wanted but the bytecode.
for tool in "snakemake --dry-run" "dvc status"; do .venv/bin/python -m $tool --quiet >/dev/null 2>&1 || :; done
pinned >$stamp
echo "environment ready after $((SECONDS - started)) s" >&2
