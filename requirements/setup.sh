#!/usr/bin/env bash
# Creates .venv with everything that berry and its tests need on a machine without a GPU.
# Usage: requirements/setup.sh      PYTHON=python3.12 requirements/setup.sh
set -euo pipefail
cd "$(dirname "$0")/.."
TORCH=2.13.0
TORCH_CPU_INDEX=https://download.pytorch.org/whl/cpu
LOCK=requirements/cpu.lock
NUM_PACKAGES=$(grep -cE '^[A-Za-z0-9]' "$LOCK")
LOG=.venv/setup.log
SECONDS=0

step() {
    echo "setup: [$1/5] $2 (after $SECONDS s)"
}

fail() {
    echo "setup: $1" >&2
    exit 2
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3.11 python3.12 python3.13 python3; do
        if "$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    fail "expected Python 3.11 or newer with venv, found none; install it or set PYTHON"
}

pip_install() {
    .venv/bin/pip install --quiet --no-deps --no-compile --disable-pip-version-check "$@"
}

compile_packages() {
    # On all cores; pip would do it on one. Some packages have files that are no Python of this version.
    .venv/bin/python -m compileall -q -j 0 .venv/lib || true
}

with_progress() {
    # Runs a long command with its output in the log, and prints its progress every ten seconds.
    "$@" >>"$LOG" 2>&1 &
    local job=$! waited=0 installed
    while kill -0 "$job" 2>/dev/null; do
        sleep 1
        waited=$((waited + 1))
        if [ $((waited % 10)) = 0 ]; then
            installed=$(find .venv/lib -maxdepth 3 -name '*.dist-info' | wc -l)
            echo "setup:       $SECONDS s, $installed of about $NUM_PACKAGES packages, $(du -sh .venv | cut -f1)"
        fi
    done
    wait "$job"
}

apt_install() {
    # $1: package, $2: effect of its absence. Only root can install it; other users see the command.
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "setup:       $2: sudo apt-get install $1" >&2
    elif ! { apt-get install -qq -y "$1" || { apt-get update -qq && apt-get install -qq -y "$1"; }; } \
        >>"$LOG" 2>&1; then
        echo "setup:       $1 could not be installed (see $LOG); $2" >&2
    fi
}

install_system_packages() {
    ldconfig -p 2>/dev/null | grep -q 'libtcmalloc_minimal\.so' ||
        apt_install libtcmalloc-minimal4 "vLLM on a CPU is slower without it"
    command -v bwrap >/dev/null ||
        apt_install bubblewrap "programs run in a weaker sandbox without it"
    { command -v coqc && command -v coqchk; } >/dev/null ||
        apt_install coq "proofs in Coq cannot be checked without it"
    command -v g++ >/dev/null ||
        apt_install g++ "programs in C++ cannot be judged without it"
}

install_torch() {
    if .venv/bin/python -c "import torch; assert torch.__version__.startswith('$TORCH')" 2>/dev/null; then
        return
    fi
    # First a wheel from pip's configured locations, then PyTorch's index of CPU builds, then the default
    # index, which on most machines only has the CUDA build. Time limits are short, so that an
    # unreachable index does not delay the set-up.
    pip_install --no-index "torch==$TORCH" ||
        pip_install --index-url "$TORCH_CPU_INDEX" --timeout 15 --retries 0 "torch==$TORCH" ||
        pip_install "torch==$TORCH"
}

check_torch() {
    .venv/bin/python -c 'import torch' 2>>"$LOG" ||
        fail "expected a CPU build of torch $TORCH, got one that cannot be imported; install it manually \
from $TORCH_CPU_INDEX into .venv, then run this script again"
}

install_berry() {
    pip_install --no-build-isolation -e .
}

explained() {
    # Runs a pip step with progress; if it fails, prints the end of the log as the reason.
    if ! with_progress "$@"; then
        tail -n 15 "$LOG" >&2
        fail "$* failed; the full log is in $LOG; run the same command again to resume"
    fi
}

python=$(find_python)
echo "setup: about 4.5 GB into .venv; two to six minutes on two cores with a fast connection"
step 1 "the virtual environment, with $("$python" --version)"
[ -x .venv/bin/pip ] || "$python" -m venv .venv
: >"$LOG"
step 2 "missing system packages: libtcmalloc, bubblewrap, Coq, g++"
install_system_packages
step 3 "torch $TORCH, the CPU build"
explained install_torch
step 4 "$NUM_PACKAGES packages pinned in $LOCK, including vLLM"
explained pip_install -r "$LOCK"
check_torch
step 5 "berry itself"
explained install_berry
explained compile_packages
.venv/bin/berry doctor
echo "setup: done in $SECONDS s"
