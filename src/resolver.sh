#!/bin/sh
# Keeps one resolver running, with or without an engine. Usage: resolver.sh RUN_FOLDER LOG_FILE COMMAND [ARGUMENT...]
# The resolver's exit code 0 is a deliberate end, 75 means that another one serves the folder.
run=$1 log=$2
shift 2
trap '' HUP
failures=0
while [ -d "$run" ]; do
  started=$(date +%s)
  "$@" </dev/null >>"$log" 2>&1
  status=$?
  case $status in 0 | 75) exit 0 ;; esac
  echo "time=$(date -u +%Y-%m-%dT%H:%M:%SZ) level=error msg=\"the resolver ended with status $status and is started again\"" >>"$log"
  # At once, unless it keeps crashing early. One that was killed from outside did not crash.
  if [ "$status" -gt 128 ] || [ $(($(date +%s) - started)) -ge 10 ]; then
    failures=0
  else
    failures=$((failures + 1))
  fi
  if [ "$failures" -gt 3 ]; then
    [ "$failures" -le 10 ] || failures=10
    sleep $((failures - 3))
  fi
done
