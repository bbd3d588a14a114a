#!/bin/sh
# Writes Asterisk's configuration: the shipped one with this installation's secrets and network in it. Then it becomes
# the command that it was given. Nothing that asks to be changed may be left when Asterisk starts.
set -eu

shipped=${SHIPPED:-/usr/share/uapi-bridge/asterisk-conf}
secrets=${SECRETS:-/var/lib/uapi}
place=${PLACE:-/tmp/asterisk}
etc=$place/etc

fail() {
    echo "asterisk-entrypoint: $*" >&2
    exit 1
}

# put FILE KEY LINE: the one line of a file that sets this key becomes LINE.
put() {
    [ "$(grep -c "^$2 *=" "$etc/$1")" = 1 ] || fail "$1 must set $2 exactly once"
    sed -i "s|^$2 *=.*|$3|" "$etc/$1"
}

secret() {
    [ -r "$secrets/$1" ] || fail "$secrets/$1 cannot be read: has the service first-start run?"
    grep -Eqx '[0-9A-Za-z]{12,}' "$secrets/$1" || fail "$secrets/$1 holds no secret"
    cat "$secrets/$1"
}

umask 027
mkdir -p "$etc" "$place/log/cdr-csv" "$place/run" "$place/spool"
cp -R "$shipped/." "$etc"

# The manager interface: for the containers of this network alone.
networks=$(ip -4 -o route show scope link | cut -d ' ' -f 1)
[ -n "$networks" ] || fail "there is no network, so nobody could log in"
ami=$(secret ami.secret)
put manager.conf bindaddr "bindaddr = 0.0.0.0"
put manager.d/uapi.conf secret "secret = $ami"
sed -i '/^permit *=/d' "$etc/manager.d/uapi.conf"
printf 'permit = %s\n' $networks >>"$etc/manager.d/uapi.conf"

# The phones.
phones=$(secret phone.password)
put pjsip.conf password "password = $phones"

# Sound: only as many ports as are published, and at the address where the phones find this machine.
case ${RTP_PORTS:=10000-10099} in
    *[!0-9-]* | -* | *- | *-*-*) fail "RTP_PORTS must be like 10000-10099, not $RTP_PORTS" ;;
    *-*) ;;
    *) fail "RTP_PORTS must be like 10000-10099, not $RTP_PORTS" ;;
esac
put rtp.conf rtpstart "rtpstart = ${RTP_PORTS%-*}"
put rtp.conf rtpend "rtpend = ${RTP_PORTS#*-}"
case ${EXTERNAL_ADDRESS:=} in
    *[!0-9A-Za-z.-]*) fail "EXTERNAL_ADDRESS must be an address or a name, not $EXTERNAL_ADDRESS" ;;
    ?*) put pjsip.conf bind "&\\nexternal_media_address = $EXTERNAL_ADDRESS\\nexternal_signaling_address = $EXTERNAL_ADDRESS" ;;
esac

if left=$(grep -rn '^[^;]*change-me' "$etc"); then
    fail "a default secret is left: $left"
fi
exec "$@"
