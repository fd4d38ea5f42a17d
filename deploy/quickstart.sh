#!/bin/bash
# From nothing to a failover before your eyes: installs what is needed, builds hb, and plays the story of a master
# that fails in a lab of network namespaces on this machine. Touches nothing of the machine's own network, and
# cleans up after itself, also on Ctrl-C.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<USAGE
usage: deploy/quickstart.sh [--third-host] [--keep]
  --third-host  the controller runs on a third host instead of the slave
  --keep        leaves the lab up at the end and says how to play with it
Needs root and Debian 12. Exit status: 0 every step passed, 1 one failed, 2 usage.
USAGE
}

third_host=()
controller=slave
keep=0
for argument in "$@"; do
  case $argument in
    --third-host) third_host=(--third-host) controller=watch ;;
    --keep) keep=1 ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac
done
if ((EUID != 0)); then
  echo "quickstart: it makes network namespaces and so needs root: sudo $0 $*" >&2
  exit 2
fi

# What runs it in CTest has built already; HB_BINARIES says where.
binaries=${HB_BINARIES:-build/release/bin}
if [[ -z ${HB_BINARIES:-} ]]; then
  echo "== packages"
  deploy/install-deps.sh
  echo "== build (a few minutes the first time)"
  log=$(mktemp)
  if ! { cmake --preset release && cmake --build --preset release --target hb-controller hb-executor hbctl hb-lab; } \
    >"$log" 2>&1; then
    tail -n 40 "$log"
    rm -f "$log"
    exit 1
  fi
  rm -f "$log"
fi
binaries=$(cd "$binaries" && pwd)

lab_name=hb-quickstart
[[ -z ${HB_BINARIES:-} ]] || lab_name=hb-quickstart-$$
lab() { "$binaries/hb-lab" --name "$lab_name" "$@"; }
hbctl() { lab exec "$controller" -- "$binaries/hbctl" "$@"; }
up=0
cleanup() {
  local status=$?
  trap - EXIT INT TERM
  if ((up && (!keep || status != 0))); then lab down || true; fi
  exit "$status"
}
trap cleanup EXIT
trap 'keep=0; exit 130' INT
trap 'keep=0; exit 143' TERM

passed=0
failed=0
# Says what happens, does it, and waits until the client is served by the right node. $1: text, $2: the node that has
# to serve, $3: what must stand in the event log by then (or ""), the rest: the deed.
step() {
  local text=$1 node=$2 line=$3 good=1
  shift 3
  echo
  echo "== $text"
  lab meter mark
  "$@" || good=0
  lab meter wait "$node" --timeout 60s || good=0
  # The events reach the log a moment later; the failed-over node's requests are all answered by then.
  sleep 1
  if [[ -n $line ]] && ! lab exec "$controller" -- grep -F "$line" /var/log/ha.log; then
    echo "the event log lacks: $line"
    good=0
  fi
  hbctl status || good=0
  local report two
  report=$(lab meter report --json)
  two=$(jq '.arp.two_answered_ms + .http.two_answered_ms' <<<"$report")
  echo "outage seen by the client: $(lab meter outage) ms; two nodes answered for $two ms"
  # No step may show the client two holders, not for a moment.
  [[ $two == 0 ]] || good=0
  if ((good)); then
    passed=$((passed + 1))
    echo "passed: $node serves"
  else
    failed=$((failed + 1))
    echo "FAILED: $node should serve alone"
    lab status || true
  fi
}

break_httpd() {
  lab exec master -- mv /etc/hb-lab/apache2.conf /etc/hb-lab/apache2.conf.away
  lab kill-service master
}
mend_httpd() { lab exec master -- mv /etc/hb-lab/apache2.conf.away /etc/hb-lab/apache2.conf; }

echo "== lab: master 192.168.0.1, slave 192.168.0.2, gateway, client; controller on $controller"
up=1
lab up "${third_host[@]}"
lab deploy --binaries "$binaries" --configs deploy/config
lab meter start

lab meter wait master --timeout 60s
step "the site at 192.168.0.111 is served by the master" master "" sleep 1
step "httpd on the master is killed, and its config is broken: it can't come back" slave \
  'reason="Master apache service is down"' break_httpd
step "the config is mended: hb starts httpd, sees its page, and moves the site back" master "event=failback" mend_httpd
step "the master's cable is pulled" slave 'reason="Master host or its network is down"' lab pull master
step "the cable is back" master "" lab plug master

lab meter stop >/dev/null

total=$((passed + failed))
if ((keep && failed == 0)); then
  cat <<PLAY

The lab stays up. Play with it:
  L="$binaries/hb-lab --name $lab_name"
  \$L exec $controller -- $binaries/hbctl watch           # in another terminal
  \$L exec $controller -- $binaries/hbctl switchover web
  \$L exec $controller -- $binaries/hbctl events -f
  \$L exec client -- curl -si http://192.168.0.111/
  \$L kill-service master; \$L pull master; \$L plug master; \$L cut master slave; \$L heal
  \$L meter --for 5s
  \$L down                                                # ends it
PLAY
fi
echo "quickstart: $passed of $total steps passed"
((failed == 0))
