#!/usr/bin/env bash
# Make a Docker Engine answer on this machine: use the one that runs, else start dockerd, installing Debian's docker.io
# first unless --no-install is given. May be run any number of times. Says why when it cannot, and exits 1.
set -euo pipefail

log_file="${DOCKERD_LOG:-/tmp/contender-dockerd.log}"

fail() {
  echo "docker-engine: $1" >&2
  exit 1
}

answers() {
  docker info >/dev/null 2>&1
}

# Several test processes may ask at once: one at a time.
exec 9>"${TMPDIR:-/tmp}/contender-docker-engine.lock"
flock 9

answers && exit 0
[ "$(id -u)" -eq 0 ] || fail "no Docker Engine answers, and only root can start one"

if ! command -v dockerd >/dev/null; then
  [ "${1:-}" != --no-install ] || fail "no Docker Engine answers, and dockerd is not installed"
  command -v apt-get >/dev/null || fail "dockerd is not installed, and neither is apt-get"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq || fail "apt-get update failed"
  apt-get install -y -qq --no-install-recommends docker.io iptables >/dev/null || fail "apt-get install docker.io failed"
fi

# A dockerd that was killed leaves a file that keeps the next one from starting.
pgrep -x dockerd >/dev/null || rm -f /var/run/docker.pid
# The lock is not handed on: it would be held as long as dockerd lives.
# Nor is a real-time priority, which containers would have too.
ordinary=(chrt --other 0)
"${ordinary[@]}" true 2>/dev/null || ordinary=()
"${ordinary[@]}" setsid nohup dockerd >"$log_file" 2>&1 </dev/null 9>&- &
daemon=$!
for _ in $(seq 120); do
  answers && exit 0
  kill -0 "$daemon" 2>/dev/null || break
  sleep 0.5
done
tail -n 20 "$log_file" >&2
fail "dockerd did not answer (its log: $log_file)"
