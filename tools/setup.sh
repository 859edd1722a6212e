#!/usr/bin/env bash
# Set up this checkout: virtual environment, locked packages, viewer; `setup.sh test` adds what the tests need.
# Does nothing that is already done. Nothing is installed outside the checkout but Debian packages.
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:-run}
mkdir -p .setup

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
fresh() { [ -f ".setup/$1" ] && [ "$(cat ".setup/$1")" = "$2" ]; }   # fresh NAME FINGERPRINT
fingerprint() { cat "$@" | sha256sum | cut -d' ' -f1; }

install_debian() {   # install_debian PACKAGE ...: those that are missing
    local missing=()
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return 0
    command -v apt-get >/dev/null || { echo "This needs the programs of the Debian packages: ${missing[*]}" >&2; exit 1; }
    say "Installing Debian packages: ${missing[*]}"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 update
    # Services that packages bring (Orthanc, PostgreSQL) must not start: the tests run their own.
    local policy=/usr/sbin/policy-rc.d kept=0
    [ -e "$policy" ] && kept=1 || printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    [ "$kept" = 1 ] || as_root chmod 755 "$policy"
    local result=0
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 \
        install --no-install-recommends "${missing[@]}" >.setup/apt.log 2>&1 || result=$?
    [ "$kept" = 1 ] || as_root rm -f "$policy"
    [ "$result" = 0 ] || { tail -20 .setup/apt.log >&2; echo "apt-get failed; the whole log is .setup/apt.log" >&2; exit 1; }
}

find_python() {
    for candidate in python3.11 python3.12 python3.13 python3; do
        if command -v "$candidate" >/dev/null &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    echo "Filmroom needs Python 3.11 or newer." >&2
    exit 1
}

python=$(find_python)
if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c '' 2>/dev/null; then
    say "Creating the virtual environment .venv"
    "$python" -c 'import ensurepip' 2>/dev/null || install_debian python3-venv
    rm -rf .venv .setup/packages-*
    "$python" -m venv .venv
fi

lock=requirements.lock
[ "$what" = test ] && lock=requirements-dev.lock
print=$(fingerprint "$lock" pyproject.toml)
if ! fresh "packages-$what" "$print"; then
    say "Installing Python packages from $lock"
    .venv/bin/python -m pip install --disable-pip-version-check --progress-bar off --require-hashes -r "$lock" \
        2>.setup/pip.log | sed -un 's/^Collecting \([A-Za-z0-9_.-]*\).*/    \1/p; s/^Installing collected.*/    installing/p' ||
        { tail -20 .setup/pip.log >&2; exit 1; }
    .venv/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
    echo "$print" >".setup/packages-$what"
fi

print=$(fingerprint viewer/build.py)
if ! fresh viewer "$print" || [ ! -d viewer/dist ]; then
    command -v npm >/dev/null || install_debian npm
    say "Fetching and preparing the viewer (OHIF)"
    .venv/bin/python viewer/build.py
    echo "$print" >.setup/viewer
fi

print=$(find console -path console/node_modules -prune -o -path console/dist -prune -o -type f -print0 |
    sort -z | xargs -0 cat | sha256sum | cut -d' ' -f1)
if ! fresh console "$print" || [ ! -d console/dist ]; then
    say "Building the console"
    (cd console && npm ci --no-progress --loglevel=error && npm run --silent build >../.setup/console.log 2>&1) ||
        { tail -30 .setup/console.log >&2; exit 1; }
    (cd viewer && ../.venv/bin/python -c 'import build, pathlib; build.compress(pathlib.Path("../console/dist"))')
    echo "$print" >.setup/console
fi

if [ "$what" = test ]; then
    # shellcheck disable=SC2046
    install_debian $(sed -e 's/#.*//' tools/debian-test-packages.txt)
fi
