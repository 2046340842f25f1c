#!/bin/sh
# The example of vzcptcheck(8), as it is: it runs on the source node, and reaches DEST by ssh.
#
# Usage: examples/migrate-over-ssh.sh DEST CTID
#
# Between simulated nodes, with an ssh of vzcptsim's (or the real one: --sshd-for):
#
#   vzcptsim run --node SOURCE --node-for dest=DESTINATION -- examples/migrate-over-ssh.sh dest 102

# The manual's lines stand as they are.
# shellcheck disable=SC2029,SC2086

if [ $# -ne 2 ]; then
    echo "Usage: $0 DEST CTID" >&2
    exit 1
fi
DEST=$1
VEID=$2

VERSION=$(vzcptcheck version)
echo Got CPT version: $VERSION
ssh root@$DEST vzcptcheck version $VERSION
echo Version check result: $?
CAPS=$(ssh root@$DEST vzcptcheck caps)
echo Got caps: $CAPS
vzcptcheck caps $VEID $CAPS
echo Caps check result: $?
