#!/bin/sh
# Installs what the tests need and runs them all (or the files that are named).
here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/scripts/prepare.sh"
# Tests that lack something are skipped and say why.
install_packages "$here" run rootless test || true
docker_client "$here"
exec sh "$here/scripts/with-node.sh" "$here/test/run.ts" "$@"
