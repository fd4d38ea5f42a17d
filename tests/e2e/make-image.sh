#!/bin/bash
# Builds the root tree that the end-to-end tests boot: a small Debian with systemd, D-Bus, apache2 and the
# libraries that hb's binaries link. Prints its path; nothing else on standard output. The tree is kept under
# ${XDG_CACHE_HOME:-/var/cache}/hb, keyed by this script's contents, and is never changed once it is there.
# Needs root, debootstrap, and a Debian mirror in this machine's own apt sources.
set -euo pipefail

readonly suite=bookworm
readonly packages=(
  systemd systemd-sysv dbus iproute2 apache2
  libabsl20220623 libcurl4 libgcc-s1 libstdc++6
  libasan8 libubsan1 # for builds with HB_SANITIZE
)

fail() {
  echo "make-image: $*" >&2
  exit 1
}

# The first source of the suite's main component, as apt itself would use it.
mirror() {
  # shellcheck disable=SC2016  # the $(...) are apt's
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk -v suite="$suite" '!found && $2 == suite && $3 == "main" { print $1; found = 1 }'
}

# debootstrap does not read apt's settings.
use_proxy_of_apt() {
  local proxy=
  eval "$(apt-config shell proxy Acquire::http::Proxy)"
  if [[ -n $proxy && $proxy != DIRECT ]]; then export http_proxy=$proxy; fi
}

main() {
  local cache=${XDG_CACHE_HOME:-/var/cache}/hb key image source
  key=$(sha256sum <"${BASH_SOURCE[0]}" | cut -c1-16)
  image=$cache/e2e-root-$key
  mkdir -p "$cache"
  exec 9>"$cache/e2e-root.lock"
  flock 9 # a second run waits for the first one's tree
  if [[ ! -d $image ]]; then
    source=$(mirror)
    [[ -n $source ]] || fail "no source of $suite main in this machine's apt configuration"
    use_proxy_of_apt
    building=$cache/building-$$ # global: for the trap
    trap 'rm -rf --one-file-system "$building" "$building.log"' EXIT
    trap 'exit 130' INT TERM
    rm -rf --one-file-system "$cache"/building-* # of a run that was killed; we hold the lock
    local include
    include=$(IFS=,; echo "${packages[*]}")
    echo "make-image: building $image (about a minute, once)" >&2
    if ! debootstrap --variant=minbase --include="$include" "$suite" "$building" "$source" \
      >"$building.log" 2>&1 9>&-; then
      tail -n 30 "$building.log" "$building/debootstrap/debootstrap.log" >&2 || true
      fail "debootstrap failed"
    fi
    rm -rf "$building"/var/cache/apt/archives/*.deb "$building"/var/lib/apt/lists/*
    mv "$building" "$image"
  fi
  echo "$image"
}

main
