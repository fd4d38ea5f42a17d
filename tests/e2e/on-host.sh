#!/bin/bash
# on-host.sh PROGRAM [ARGUMENTS...]: boots a Debian with systemd of its own (make-image.sh, systemd-nspawn),
# copies PROGRAM into it and runs it there as root; passes its output and its exit status through. What it
# writes is thrown away. Network: only a loopback of its own. Needs root.
# Nothing runs on when this script ends, be it killed: the mounts, the network and all processes live in
# namespaces that end with it. An empty directory and a cgroup that a killed run leaves are removed by the next.
set -euo pipefail

readonly boot_limit=120 # seconds

fail() {
  echo "on-host: $*" >&2
  exit 1
}

# The roots of the cgroup hierarchies in which systemd keeps its units.
cgroup_roots() {
  local root
  for root in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
    if [[ -w $root/cgroup.procs ]]; then echo "$root"; fi
  done
}

remove_cgroup() { # NAME; fails while somebody is in it
  local root status=0
  for root in $(cgroup_roots); do
    if [[ ! -d $root/$1 ]]; then continue; fi
    find "$root/$1" -depth -type d -exec rmdir {} + 2>/dev/null || status=1
  done
  return "$status"
}

sweep() { # what killed runs left
  local left
  for left in /tmp/hb-e2e-* /sys/fs/cgroup/hb-e2e-* /sys/fs/cgroup/*/hb-e2e-*; do
    if [[ ! -d $left || -d /proc/${left##*-} ]]; then continue; fi
    if [[ $left == /tmp/* ]]; then rmdir "$left" || true; else remove_cgroup "${left##*/}" || true; fi
  done
}

# ---- Inside: process 1 of a PID namespace, with mounts and a network of its own.

boot() {
  local root
  mount -t tmpfs -o mode=0755 "$name" "$work"
  mkdir "$work/upper" "$work/work" "$work/root"
  mount -t overlay -o "lowerdir=$image,upperdir=$work/upper,workdir=$work/work" "$name" "$work/root"
  install -D -m 0755 "$program" "$work/root/opt/hb/${program##*/}"
  ip link set lo up
  (
    # Each host has a cgroup of its own: two systemds in one would take each other's services for their own.
    for root in $(cgroup_roots); do echo 0 >"$root/$name/cgroup.procs"; done
    exec systemd-nspawn --quiet --register=no --keep-unit --boot --directory="$work/root" --machine="$name" \
      --network-namespace-path=/proc/1/ns/net --capability=CAP_BPF,CAP_NET_ADMIN,CAP_PERFMON \
      --system-call-filter=bpf --console=pipe </dev/null >"$work/console" 2>&1
  ) &
  nspawn=$!
}

# systemd-nspawn forks twice; the one that counts is process 1 of its own namespace.
find_leader() {
  local child
  for child in $(pgrep --parent "$nspawn"); do
    if grep -qs '^NSpid:.*[[:space:]]1$' "/proc/$child/status"; then
      leader=$child
      return 0
    fi
  done
  return 1
}

on_host() { # COMMAND...
  nsenter --target "$leader" --all env -i HOME=/root LANG=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

wait_until_booted() {
  local state=
  while ((SECONDS < boot_limit)) && kill -0 "$nspawn" 2>/dev/null; do
    if [[ -n $leader ]] || find_leader; then
      state=$(on_host systemctl is-system-running 2>/dev/null || true)
      case $state in
        running) return 0 ;;
        degraded)
          on_host systemctl --failed --no-legend >&2
          return 0
          ;;
      esac
    fi
    sleep 0.1
  done
  cat "$work/console" >&2
  fail "the host did not boot (${state:-no systemd}) in $SECONDS s"
}

inside() { # NAME WORK IMAGE PROGRAM [ARGUMENTS...]
  name=$1 work=$2 image=$3 program=$4
  shift 4
  nspawn=
  leader=
  boot
  wait_until_booted
  echo "on-host: booted in $SECONDS s" >&2
  on_host "/opt/hb/${program##*/}" "$@"
}

# ---- Outside.

cleanup() {
  trap '' INT TERM HUP
  if [[ -n $runner ]]; then
    kill -KILL "$runner" 2>/dev/null || true # and with it all inside
    wait "$runner" 2>/dev/null || true
  fi
  rmdir "$work" || true
  for _ in {1..50}; do # until the last of them has left
    if remove_cgroup "$name"; then break; fi
    sleep 0.1
  done
}

main() {
  (($# >= 1)) || fail "usage: on-host.sh PROGRAM [ARGUMENTS...]"
  ((EUID == 0)) || fail "needs root"
  local program status=0 self root image
  program=$(readlink -f "$1")
  [[ -f $program && -x $program ]] || fail "$1 is no program"
  shift
  self=$(readlink -f "${BASH_SOURCE[0]}")
  image=$("${self%/*}/make-image.sh")
  sweep
  name=hb-e2e-$$
  work=/tmp/$name
  runner=
  mkdir -m 0700 "$work"
  trap cleanup EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  for root in $(cgroup_roots); do mkdir "$root/$name"; done
  # In the background: a signal to this script is acted on at once.
  setpriv --pdeathsig KILL -- unshare --mount --net --pid --fork --kill-child --mount-proc \
    --propagation private -- "$self" --inside "$name" "$work" "$image" "$program" "$@" &
  runner=$!
  wait "$runner" || status=$?
  runner=
  exit "$status"
}

if [[ ${1-} == --inside ]]; then
  shift
  inside "$@"
else
  main "$@"
fi
