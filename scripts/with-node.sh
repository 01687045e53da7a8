#!/bin/sh
# with-node.sh SCRIPT [ARGUMENT...]: fetches the modules when needed and runs a script with the Node that came with them.
# npm itself may run under an older one. What the script starts finds that Node first.
here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/scripts/prepare.sh"
install_modules "$here" || exit 1
node=$(node_of "$here") || exit 1
PATH=${node%/*}:$PATH exec "$node" --disable-warning=ExperimentalWarning "$@"
