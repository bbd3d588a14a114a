#!/usr/bin/env bash
# Starts the bridge under a real systemd, as docs/deploy.md says, and sees that the unit keeps its promises: ready when
# it listens, watched, reloaded, restarted, locked in, twice on one machine.
#
# The systemd is that of Debian 12 in a folder made by debootstrap, booted by systemd-nspawn with a network of its own.
# Needs root, 1 GB in TMPDIR (/var/tmp) and about five minutes; nothing is left, also on failure. KEEP names a folder
# to work in that is kept, and built on the next time.
set -euo pipefail

cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "unit: needs root" >&2; exit 1; }

missing=()
for need in debootstrap:debootstrap systemd-nspawn:systemd-container; do
    command -v "${need%:*}" >/dev/null || missing+=("${need#*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "unit: installing ${missing[*]}"
    apt-get -q update >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "${missing[@]}" >/dev/null
fi

work=${KEEP:-$(mktemp -d "${TMPDIR:-/var/tmp}/uapi-unit-XXXXXX")}
mkdir -p "$work"
machine=$work/machine
cleanup() {
    [ -n "${KEEP:-}" ] || rm -rf --one-file-system "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

logged() {
    "$@" >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; return 1; }
}

if [ ! -e "$machine/src" ]; then
    echo "unit: making a Debian 12 with systemd"
    mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep -v -m 1 -e '-security/*$')
    script=/usr/share/debootstrap/scripts/bookworm
    [ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
    logged debootstrap --variant=minbase --include=dbus,pipx,procps,systemd,systemd-sysv bookworm "$machine" "$mirror" "$script"
    mkdir "$machine/src"
    # Whom this machine trusts, the one made here trusts, too.
    cp "${PIP_CERT:-${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}}" "$machine/etc/build-ca.crt"
    printf '[global]\ncert = /etc/build-ca.crt\n' >"$machine/etc/pip.conf"
fi

# The commands of docs/deploy.md, as they stand there.
commands=$(awk '/^## /{here = /systemd|Several/} /^```/{sh = here && /^```sh/; next} sh' docs/deploy.md | sed 's/^sudo //')
install=$(grep '^env PIPX_HOME=' <<<"$commands")
# Those of docs/operations.md.
upgrade=$(sed -n 's/^ *sudo \(env PIPX_HOME=.*\)/\1/p' docs/operations.md)
doctor=$(sed -n '/^sudo systemd-run/,/doctor/{s/^sudo //;p}' docs/operations.md)

echo "unit: installing the bridge"
rm -rf "$machine"/src/* "$machine"/etc/uapi-bridge "$machine"/etc/systemd/system/uapi-bridge* "$machine"/opt/pipx
cp -R LICENSE README.md bridge bridge.example.toml packaging pyproject.toml "$machine/src/"
cp /etc/resolv.conf "$machine/etc/"
for command in "$install" "$upgrade"; do
    logged chroot "$machine" env -i -C /src PATH=/usr/bin:/bin HOME=/root sh -c "$command"
done
echo "$doctor" >"$machine/doctor.sh"
grep -v '^env PIPX_HOME=' <<<"$commands" >"$machine/commands.sh"

cat >"$machine/trial.sh" <<'END'
set -euo pipefail
cd /src

step() { echo "- $*"; }
property() { systemctl show --value --property "$1" "${2:-uapi-bridge}"; }
status() {
    /opt/pipx/venvs/uapi-bridge/bin/python -c '
import http.client, sys
wire = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=5)
wire.request("GET", sys.argv[2])
print(wire.getresponse().status)' "$1" "$2"
}
is() { [ "$1" = "$2" ] || { echo "  it is $1, not $2" >&2; journalctl -u 'uapi-bridge*' -n 20 --no-pager >&2; exit 1; }; }
until_is() {
    for _ in {1..200}; do [ "$("${@:2}")" = "$1" ] && return; sleep 0.1; done
    is "$("${@:2}")" "$1"
}

step "the commands of docs/deploy.md"
# This one is written into the file that they make.
sed -i '/uapi-bridge\/environment$/a echo BRIDGE_AMI__SECRET=from-the-environment >/etc/uapi-bridge/environment' /commands.sh
bash -euo pipefail /commands.sh

step "started means listening"
is "$(property ActiveState)" active
is "$(status 8080 /healthz)" 200
is "$(status 8080 /readyz)" 503
echo "  status: $(property StatusText)"

step "no user of its own, no capability, a filter on its calls"
pid=$(property MainPID)
uid=$(ps -o uid= -p "$pid" | tr -d ' ')
(( uid >= 61184 && uid <= 65519 )) # systemd's range for users that exist while a service runs
is "$(grep -c -E '^Cap(Inh|Prm|Eff|Bnd|Amb):\s0000000000000000$' "/proc/$pid/status")" 5
is "$(awk '/^Seccomp:/ { print $2 }' "/proc/$pid/status")" 2
is "$(tr '\0' '\n' <"/proc/$pid/environ" | grep -c '^BRIDGE_AMI__SECRET=from-the-environment$')" 1

step "the doctor has the secrets of the service"
{ sh /doctor.sh || true; } | grep 'Nobody listens at' >/dev/null
sed 's/ doctor / check /' /doctor.sh >/check.sh
sed 's/ -p EnvironmentFile=[^ ]*//' /check.sh | sh | grep 'ami.secret: is still change-me' >/dev/null
checked=$(sh /check.sh)
is "$(grep -c 'the configuration is in order' <<<"$checked")" 1
is "$(grep -c 'ami.secret: is still change-me' <<<"$checked")" 0

step "a reload keeps the process"
systemctl reload uapi-bridge
is "$(property MainPID)" "$pid"
is "$(status 8080 /healthz)" 200

step "killed, it is back"
kill -KILL "$pid"
until_is 1 property NRestarts
until_is active property ActiveState
is "$(status 8080 /healthz)" 200

step "hanging, it is restarted by the watchdog"
mkdir /etc/systemd/system/uapi-bridge.service.d
printf '[Service]\nWatchdogSec=2\n' >/etc/systemd/system/uapi-bridge.service.d/trial.conf
systemctl daemon-reload
systemctl restart uapi-bridge
sleep 5 # more than twice the watchdog's time: a bridge that is well is left alone
is "$(property NRestarts)" 0
kill -STOP "$(property MainPID)"
until_is 1 property NRestarts
until_is active property ActiveState
journalctl -u uapi-bridge --no-pager | grep 'Watchdog timeout' >/dev/null
is "$(status 8080 /healthz)" 200

step "stopped, it ends well"
systemctl stop uapi-bridge
is "$(property Result)" success
is "$(property ExecMainStatus)" 0

step "with a bad configuration it says so, and does not try again and again"
echo 'nonsense = 1' >>/etc/uapi-bridge/bridge.toml
! systemctl start uapi-bridge 2>/dev/null
is "$(property ExecMainStatus)" 2
is "$(property ActiveState)" failed
sed -i '$d' /etc/uapi-bridge/bridge.toml

step "two more on one machine"
is "$(status 8081 /healthz) $(status 8082 /healthz)" "200 200"

step "what systemd finds exposed"
systemd-analyze security --threshold=20 uapi-bridge@8081 | tail -n 1
systemd-analyze verify uapi-bridge.service
END
cat >"$machine/etc/systemd/system/trial.service" <<'END'
[Unit]
Description=Trial
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/bash /trial.sh
ExecStopPost=/bin/sh -c 'echo "$SERVICE_RESULT" >/trial.result; systemctl --no-block poweroff'
StandardOutput=file:/trial.log
StandardError=inherit
TimeoutStartSec=120
[Install]
WantedBy=default.target
END
mkdir -p "$machine/etc/systemd/system/default.target.wants"
ln -sf ../trial.service "$machine/etc/systemd/system/default.target.wants/trial.service"
rm -f "$machine"/trial.{log,result}

echo "unit: booting"
timeout 300 systemd-nspawn --quiet --register=no --keep-unit --private-network --machine=uapi-unit \
    --directory="$machine" --boot >"$work/console" 2>&1 </dev/null || true
cat "$machine/trial.log" 2>/dev/null || true
if [ "$(cat "$machine/trial.result" 2>/dev/null || true)" != success ]; then
    [ -s "$machine/trial.log" ] || tail -n 20 "$work/console" >&2
    echo "unit: failed" >&2
    exit 1
fi
echo "unit: all is as promised"
