#!/bin/bash
# Installs the Debian packages that hb needs: to run, or (the default) also to be built, tested and tried in the
# lab. Does nothing, and is done at once, when all of them are there. Starts no service and changes nothing else.
set -euo pipefail

# What the daemons and hbctl link, and the programs that they call.
readonly runtime=(
  libabsl20220623 libcurl4 libgrpc++1.51 libnl-route-3-200 libprotobuf32 libsqlite3-0 libsystemd0 libyaml-cpp0.7
  iproute2 iptables
)
readonly build=(
  ccache clang clang-format clang-tidy cmake g++ libclang-rt-14-dev ninja-build pkg-config
  libabsl-dev libcli11-dev libcurl4-openssl-dev libgmock-dev libgrpc++-dev libgtest-dev libnl-route-3-dev
  libprotobuf-dev libsqlite3-dev libsystemd-dev libyaml-cpp-dev protobuf-compiler protobuf-compiler-grpc
  libbpf-dev bpftool
)
# What the tests, the lab and the quickstart run.
readonly lab=(
  apache2-bin curl debootstrap iputils-arping iputils-ping jq libcap2-bin nftables nginx-core openssl procps python3
  spin systemd-container tcpdump
)

usage() {
  cat <<EOF
usage: $0 [--runtime-only]
Installs what hb needs from Debian 12's own packages.
  --runtime-only  only what the daemons and hbctl need to run
  --help          this text
Exit status: 0 all is there, 1 failed, 2 usage.
EOF
}

fail() {
  echo "install-deps: $*" >&2
  exit 1
}

# The packages of the arguments that are not installed.
missing() {
  local installed
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | awk '$1 == "installed" {print $2}') || true
  printf '%s\n' "$@" | grep -Fxv -f <(printf '%s\n' "$installed") || true
}

# Debian starts nginx when it is installed. A masked unit is not started; where no systemd runs, a script may have
# started it all the same, and it is stopped again.
install_quietly() {
  local masked=0
  if [[ " $* " == *" nginx-core "* && -d /run/systemd/system ]] && ! systemctl cat nginx.service >/dev/null 2>&1; then
    systemctl --quiet mask nginx.service
    masked=1
  fi
  local status=0
  apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@" >"$log" 2>&1 || status=$?
  if ((masked)); then
    systemctl --quiet unmask nginx.service
    systemctl --quiet disable nginx.service >/dev/null 2>&1 || true
  elif [[ " $* " == *" nginx-core "* && ! -d /run/systemd/system && -s /run/nginx.pid ]]; then
    /etc/init.d/nginx stop >/dev/null 2>&1 || true
  fi
  return "$status"
}

packages=("${runtime[@]}" "${build[@]}" "${lab[@]}")
for argument in "$@"; do
  case $argument in
    --runtime-only) packages=("${runtime[@]}") ;;
    --help | -h)
      usage
      exit 0
      ;;
    *)
      usage >&2
      exit 2
      ;;
  esac
done

command -v dpkg-query >/dev/null || fail "this is no Debian system: there is no dpkg-query"
mapfile -t wanted < <(missing "${packages[@]}")
[[ ${#wanted[@]} -gt 0 ]] || exit 0

codename=$(. /etc/os-release && echo "${DEBIAN_CODENAME:-${VERSION_CODENAME:-unknown}}")
[[ $codename == bookworm ]] || fail "hb needs the packages of Debian 12 (bookworm); this is $codename"
[[ $EUID -eq 0 ]] || fail "root is needed to install: ${wanted[*]}"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
echo "install-deps: installing ${wanted[*]}"
apt-get -o DPkg::Lock::Timeout=300 update -qq >"$log" 2>&1 || { cat "$log" >&2; fail "apt-get update failed"; }
install_quietly "${wanted[@]}" || { tail -n 40 "$log" >&2; fail "apt-get install failed"; }
mapfile -t wanted < <(missing "${packages[@]}")
[[ ${#wanted[@]} -eq 0 ]] || fail "still missing: ${wanted[*]}"
