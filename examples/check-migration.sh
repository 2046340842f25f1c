#!/bin/sh
# The example of vzcptcheck(8), between two recorded nodes.
#
# Usage: examples/check-migration.sh SOURCE DESTINATION CTID
#
# The commands between the two lines are the manual's. Here vzcptcheck runs on the simulated
# source, and ssh runs its command on the simulated destination. Each step is shown as it is
# typed on its node. SOURCE_OPTIONS and DEST_OPTIONS go to 'vzcptsim replay' (see its --help).
# The exit status is 0 where both tests pass, 1 where a question has no answer, else 2.

# The manual's lines stand as they are; vzcptcheck and ssh are functions on purpose.
# shellcheck disable=SC2029,SC2032,SC2033,SC2086

if [ $# -ne 3 ]; then
    echo "Usage: $0 SOURCE DESTINATION CTID" >&2
    exit 1
fi
SOURCE=$1
DEST=$2
VEID=$3
STATUS=0

on_node() {
    node=$1
    options=$2
    shift 3
    echo "[root@$node]# vzcptcheck $*" >&2
    vzcptsim replay $options "$node" -- "$@"
    set -- $?
    if [ "$1" -ne 0 ] && [ "$STATUS" -ne 1 ]; then
        STATUS=$1
    fi
    return "$1"
}

vzcptcheck() {
    on_node "$SOURCE" "${SOURCE_OPTIONS-}" vzcptcheck "$@"
}

ssh() {
    host=${1#root@}
    shift
    on_node "$host" "${DEST_OPTIONS-}" "$@"
}

# ----------------------------------------------------------------------------------------
VERSION=$(vzcptcheck version)
echo Got CPT version: $VERSION
ssh root@$DEST vzcptcheck version $VERSION
echo Version check result: $?
CAPS=$(ssh root@$DEST vzcptcheck caps)
echo Got caps: $CAPS
vzcptcheck caps $VEID $CAPS
echo Caps check result: $?
# ----------------------------------------------------------------------------------------

# The two questions are asked in subshells: an empty answer is what shows that they failed.
if [ -z "$VERSION" ] || [ -z "$CAPS" ]; then
    STATUS=1
fi
exit "$STATUS"
