#!/bin/sh
# Keeps one engine running. Holds the listening sockets (inherited, never touched) so that clients wait instead of being
# refused while an engine starts; knows nothing else. Usage: keeper.sh RUN_FOLDER LOG_FILE COMMAND [ARGUMENT...]
#   GANTRY_LEFTOVERS paths of the sockets and the engine's pid file, one a line, removed at a deliberate end
#   GANTRY_ADOPTED   "PID FD": an engine that already runs, and a pipe that closes when it ends
# SIGTERM ends both, SIGUSR1 makes a new engine. The engine's exit code 0 is a deliberate end, 78 one that would repeat.
run=$1 log=$2
shift 2
echo $$ >"$run/keeper.pid"
engine='' stopping='' again='' failures=0

signal_engine() { [ -z "$engine" ] || kill -TERM "$engine" 2>/dev/null; }
trap 'stopping=1; signal_engine' TERM INT
trap 'again=1; signal_engine' USR1
trap '' HUP
say() { echo "time=$(date -u +%Y-%m-%dT%H:%M:%SZ) level=$1 msg=\"keeper: $2\"" >>"$log"; }

if [ -n "${GANTRY_ADOPTED:-}" ]; then
  engine=${GANTRY_ADOPTED% *}
  pipe=/proc/self/fd/${GANTRY_ADOPTED#* }
  unset GANTRY_ADOPTED
  # A trapped signal interrupts the read with a status above 128; the end of the pipe gives 1.
  while :; do
    read -r _ <"$pipe"
    [ $? -gt 128 ] || break
  done
  [ -n "$again" ] || [ -n "$stopping" ] || say warn "the adopted engine ($engine) ended"
  [ -z "$again" ] || stopping=''
  again=''
fi

while [ -z "$stopping" ]; do
  started=$(date +%s)
  rm -f "$run/engine.ready"
  "$@" </dev/null >>"$log" 2>&1 &
  engine=$!
  # wait also returns when a trapped signal arrives: then the engine is still there, or unreaped.
  while :; do
    wait "$engine"
    status=$?
    kill -0 "$engine" 2>/dev/null || break
  done
  engine=''
  if [ -n "$again" ] && [ -z "$stopping" ]; then
    again='' failures=0
    continue
  fi
  [ -z "$stopping" ] || break
  case $status in 0 | 78) break ;; esac
  say error "the engine ended with status $status and is started again"
  # At once, unless it keeps crashing early. One that served and was killed from outside did not crash.
  if [ $(($(date +%s) - started)) -ge 10 ] || { [ "$status" = 137 ] && [ -e "$run/engine.ready" ]; }; then
    failures=0
  else
    failures=$((failures + 1))
  fi
  if [ "$failures" -gt 5 ]; then
    [ "$failures" -le 10 ] || failures=10
    sleep $((failures - 5))
  fi
done

IFS='
'
for path in ${GANTRY_LEFTOVERS:-}; do rm -f "$path"; done
rm -f "$run/keeper.pid" "$run/engine.ready"
