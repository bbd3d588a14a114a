#!/usr/bin/env bash
# Builds both images and runs docker-compose.yml with them, on a Debian machine that needs neither a container engine
# nor an image registry: `docker compose build`, `docker compose up`, and tests/deploy/test_images.py on what then runs.
#
# Docker and Compose are Debian 13's own, in a folder made by debootstrap; the base images are made by debootstrap as
# well, under the names that the Dockerfiles ask for. The engine and the containers live in namespaces of their own, so
# nothing is installed but debootstrap and iproute2, no port of this machine is taken, and nothing is left, also on
# failure. Needs root, 4 GB in TMPDIR (/var/tmp) and five to ten minutes.
#
# PYTHON is the Python that has the development dependencies. KEEP names a folder to work in that is kept, and built on
# the next time. Arguments go to pytest.
set -euo pipefail

cd "$(dirname "$0")/.."
export REPOSITORY=$PWD
PYTHON=$(command -v "${PYTHON:-python3}")
[ "$(id -u)" = 0 ] || { echo "images: needs root" >&2; exit 1; }

missing=()
for need in debootstrap:debootstrap ip:iproute2; do
    command -v "${need%:*}" >/dev/null || missing+=("${need#*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "images: installing ${missing[*]}"
    apt-get -q update >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "${missing[@]}" >/dev/null
fi

work=${KEEP:-$(mktemp -d "${TMPDIR:-/var/tmp}/uapi-images-XXXXXX")}
mkdir -p "$work"
export work engine=$work/engine group=uapi-images-$$
cleanup() {
    find /sys/fs/cgroup -depth -type d -path "*/$group*" -exec rmdir {} + 2>/dev/null || true
    [ -n "${KEEP:-}" ] || rm -rf --one-file-system "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

logged() {
    "$@" >"$work/log" 2>&1 || { tail -n 60 "$work/log" >&2; return 1; }
}

# A folder with a small Debian.
debian() {
    local suite=$1 folder=$2 mirror script=/usr/share/debootstrap/scripts/$1
    mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep -v -m 1 -e '-security/*$')
    [ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
    logged debootstrap --variant=minbase "$suite" "$folder" "$mirror" "$script"
    rm -rf "$folder"/var/cache/apt/* "$folder"/var/lib/apt/lists/*
    # What this machine allows its mirror (an old snapshot, say) and whom it trusts holds for what is built on it, too.
    apt-config dump | grep '^Acquire::Check-' >"$folder/etc/apt/apt.conf.d/99build" || true
    echo 'APT::Keep-Downloaded-Packages "false";' >>"$folder/etc/apt/apt.conf.d/99build"
    cp "${PIP_CERT:-${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}}" "$folder/etc/build-ca.crt"
    printf '[global]\ncert = /etc/build-ca.crt\n' >"$folder/etc/pip.conf"
}

# Make the engine's folder a place to chroot to: for this mount namespace.
furnish() {
    mount --make-rprivate /
    mount --bind "$engine" "$engine"
    mount --bind "$REPOSITORY" "$engine/src"
    mount --rbind /dev "$engine/dev"
    mount --rbind /sys "$engine/sys"
    mount -t proc proc "$engine/proc"
    mount -t tmpfs tmpfs "$engine/run"
    cp /etc/resolv.conf /etc/hosts "$engine/etc/"
}

# Start the engine, with the engine's folder as the root of a mount namespace: a chroot does not do for containers.
dockerd() {
    unshare --mount --pid --fork --kill-child bash -c '
        cd "$engine"
        mount -t proc proc proc
        mkdir -p old
        pivot_root . old
        exec chroot . sh -c "umount -l /old; exec dockerd --host unix:///docker.sock --data-root /docker \
            --exec-root /run/docker --pidfile /run/docker.pid --storage-driver overlay2 --cgroup-parent $group $*"
    ' dockerd "$@" >"$work/dockerd.log" 2>&1 &
    # unshare itself takes no notice of a SIGTERM.
    trap "kill \$(cat /proc/$!/task/$!/children); wait $! || true" EXIT
    for _ in {1..100}; do
        chroot "$engine" docker --host unix:///docker.sock info >/dev/null 2>&1 && return
        sleep 0.1
    done
    echo "images: the engine did not start" >&2
    tail -n 20 "$work/dockerd.log" >&2
    exit 1
}

compose() {
    chroot "$engine" env -C /src DOCKER_HOST=unix:///docker.sock docker-compose "$@"
}

# With this machine's network, for package mirrors, and without one of its own.
build() {
    furnish
    dockerd --bridge none --iptables=false --ip6tables=false
    for suite in trixie forky; do
        [ -e "$work/$suite" ] || continue
        tar -C "$work/$suite" -c . | logged chroot "$engine" docker -H unix:///docker.sock import - "debian:$suite-slim"
        rm -rf "${work:?}/$suite"
    done
    cat >"$engine/network.yml" <<'END'
services:
  first-start: {build: {network: host}}
  asterisk: {build: {network: host}}
  bridge: {build: {network: host}}
END
    logged compose -f docker-compose.yml -f /network.yml build --progress plain
}

# In a network namespace of its own.
run() {
    ip link set lo up
    furnish
    dockerd
    compose version
    chroot "$engine" docker -H unix:///docker.sock version --format 'Docker Engine {{.Server.Version}}'
    UAPI_ENGINE=$engine "$PYTHON" -m pytest -p no:cacheprovider tests/deploy/test_images.py "$@"
}

export PYTHON
export -f logged furnish dockerd compose build run

if [ ! -e "$engine/src" ]; then
    echo "images: making the engine and the base images"
    debian trixie "$work/trixie"
    debian forky "$work/forky"
    cp -a "$work/trixie" "$engine"
    logged chroot "$engine" apt-get -q update
    logged env DEBIAN_FRONTEND=noninteractive chroot "$engine" \
        apt-get -q -y install --no-install-recommends docker-cli docker-compose docker.io iptables
    mkdir "$engine/src"
fi

echo "images: building"
unshare --mount bash -euo pipefail -c build

echo "images: running"
"$PYTHON" -c 'import sys; sys.path.insert(0, "tests"); from lab import root; root.unavailable() or root.root(22)'
unshare --mount --net bash -euo pipefail -c 'run "$@"' run "$@"
