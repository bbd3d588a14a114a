#!/bin/sh
# Hands this installation's secrets to the bridge through its environment, then becomes the bridge.
set -eu

secrets=${SECRETS:-/var/lib/uapi}

if [ -r "$secrets/ami.secret" ] && [ -r "$secrets/token.sha256" ]; then
    : "${BRIDGE_AMI__SECRET:=$(cat "$secrets/ami.secret")}"
    : "${BRIDGE_APPS__0__TOKENS_SHA256__0:=$(cat "$secrets/token.sha256")}"
    export BRIDGE_AMI__SECRET BRIDGE_APPS__0__TOKENS_SHA256__0
fi
exec uapi-bridge "$@"
