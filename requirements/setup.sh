#!/usr/bin/env bash
# Makes .venv with everything that berry needs on a machine without a GPU, tests included.
# Usage: requirements/setup.sh      PYTHON=python3.12 requirements/setup.sh
set -euo pipefail
cd "$(dirname "$0")/.."
TORCH=2.13.0
TORCH_CPU_INDEX=https://download.pytorch.org/whl/cpu

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3.11 python3.12 python3.13 python3; do
        if "$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "setup: expected Python 3.11 or newer with venv, found none; install it or set PYTHON" >&2
    exit 2
}

install_torch() {
    local pip=(.venv/bin/pip install --quiet --no-deps --disable-pip-version-check)
    if .venv/bin/python -c "import torch; assert torch.__version__.startswith('$TORCH')" 2>/dev/null; then
        return
    fi
    # A wheel that pip has been told of; PyTorch's index of CPU builds; the default index, which on
    # most machines has the CUDA build, of no use here. Short time limits: an index that cannot be
    # reached must not hold up the set-up.
    "${pip[@]}" --no-index "torch==$TORCH" 2>/dev/null ||
        "${pip[@]}" --index-url "$TORCH_CPU_INDEX" --timeout 15 --retries 0 "torch==$TORCH" 2>/dev/null ||
        "${pip[@]}" "torch==$TORCH"
}

check_torch() {
    if ! .venv/bin/python -c 'import torch' 2>/dev/null; then
        echo "setup: expected a CPU build of torch $TORCH, got one that cannot be imported;" \
            "install it by hand from $TORCH_CPU_INDEX into .venv, then run this again" >&2
        exit 2
    fi
}

apt_install() {
    (apt-get install -qq -y "$1" || { apt-get update -qq && apt-get install -qq -y "$1"; }) >/dev/null 2>&1
}

install_system_library() {
    # vLLM on a CPU is quicker with it and works without.
    if ldconfig -p 2>/dev/null | grep -q 'libtcmalloc_minimal\.so'; then
        return
    fi
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt_install libtcmalloc-minimal4 ||
            echo "setup: libtcmalloc-minimal4 could not be installed; vLLM will be slower" >&2
    else
        echo "setup: for a quicker vLLM: sudo apt-get install libtcmalloc-minimal4" >&2
    fi
}

install_bubblewrap() {
    # The sandbox uses it if it is there, and says what is missing if not.
    if command -v bwrap >/dev/null; then
        return
    fi
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt_install bubblewrap || echo "setup: bubblewrap could not be installed; programs run without namespaces" >&2
    else
        echo "setup: for the strongest sandbox: sudo apt-get install bubblewrap" >&2
    fi
}

install_coq() {
    # For targets of kind `coq`; without it their verdicts are errors that say so, and its tests skip.
    if command -v coqc >/dev/null && command -v coqchk >/dev/null; then
        return
    fi
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt_install coq || echo "setup: coq could not be installed; proofs in Coq cannot be checked" >&2
    else
        echo "setup: for proofs in Coq: sudo apt-get install coq" >&2
    fi
}

python=$(find_python)
[ -x .venv/bin/pip ] || "$python" -m venv .venv
echo "setup: installing pinned packages into .venv (about 4.5 GB, one to three minutes)"
install_system_library
install_bubblewrap
install_coq
install_torch
.venv/bin/pip install --quiet --no-deps --disable-pip-version-check -r requirements/cpu.lock
check_torch
.venv/bin/pip install --quiet --no-deps --no-build-isolation --disable-pip-version-check -e .
.venv/bin/berry doctor
