#!/usr/bin/env bash
# Sets moesim up on Debian 12 and does one thing with it.  Safe to repeat: it installs only what is missing.
#   sim/setup.sh          install the packages
#   sim/setup.sh run      ... build, and run the quickstart scenario
#   sim/setup.sh test     ... build, and run the tests
#   sim/setup.sh strict   ... build with warnings as errors and sanitizers, and run the tests there
#   sim/setup.sh debug    ... build the program without optimisation, and run one small scenario of each study
#   sim/setup.sh odr      ... look for types and functions that are defined twice
#   sim/setup.sh bench    ... build the benchmarks (build/bench/)
#   sim/setup.sh fuzz     ... build the fuzzers with clang (build-fuzz/), and run each for 10 s (tests/fuzz/)
#   sim/setup.sh package  ... make the Debian package (build/moesim_*.deb) and try it in a fresh Debian
set -euo pipefail
cd "$(dirname "$0")/.."

# Each with its reason in README.md, section "Built with".
packages=(
  g++ cmake ninja-build pkg-config
  libboost-graph-dev libyaml-cpp-dev libsqlite3-dev libfmt-dev libopenblas-dev libcli11-dev
  nlohmann-json3-dev libzstd-dev zlib1g-dev libglpk-dev libpcre2-dev libutf8proc-dev pybind11-dev python3-dev
)
developer_packages=(
  libgtest-dev libbenchmark-dev clang-format ccache mold git sqlite3 python3 python3-pandas man-db zsh bsdutils
)
# The clang that captures structured bindings in lambdas.
fuzz_packages=(clang-16 libclang-rt-16-dev python3 mold ccache)
package_packages=(mmdebstrap dpkg-dev file)

install_missing() {
  local missing=()
  for p in "$@"; do
    dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
  done
  if [ ${#missing[@]} -eq 0 ]; then
    echo "setup: all $# packages are installed" >&2
    return
  fi
  echo "setup: installing ${missing[*]}" >&2
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
  "${as_root[@]}" apt-get update -qq >&2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

# quietly LOG COMMAND...: shows the log only if the command fails.
quietly() {
  local log=$1
  shift
  if ! "$@" >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
  fi
}

build() {
  local preset=$1 folder=$2 from_nothing=()
  # A dozen sources at a time, which takes a third of the time; `cmake --preset release` before is for those who change one.
  [ -e "$folder/CMakeCache.txt" ] || from_nothing=(-DMOESIM_UNITY=ON)
  echo "setup: building $folder (a few minutes the first time)" >&2
  mkdir -p "$folder"
  quietly "$folder/configure.log" cmake --preset "$preset" "${from_nothing[@]}"
  quietly "$folder/build.log" cmake --build --preset "$preset" "${@:3}"
}

case "${1:-install}" in
  install) install_missing "${packages[@]}" ;;
  run)
    install_missing "${packages[@]}" libgtest-dev libbenchmark-dev
    build release build --target moesim
    rm -f quickstart.db quickstart.trace.db
    build/moesim run quickstart
    ;;
  test)
    install_missing "${packages[@]}" "${developer_packages[@]}"
    build release build
    ctest --preset release
    ;;
  strict)
    install_missing "${packages[@]}" "${developer_packages[@]}"
    build strict build-strict
    ctest --preset strict
    ;;
  debug)
    install_missing "${packages[@]}" "${developer_packages[@]}"
    build debug build-debug
    ctest --preset debug
    ;;
  odr)
    install_missing "${packages[@]}" "${developer_packages[@]}"
    build debug build-debug --target odr
    echo "setup: nothing in sim/ is defined twice" >&2
    ;;
  bench)
    install_missing "${packages[@]}" "${developer_packages[@]}"
    build release build --target benchmarks
    ;;
  fuzz)
    install_missing "${packages[@]}" "${fuzz_packages[@]}"
    build fuzz build-fuzz
    tests/fuzz/run.py build-fuzz "${2:-10}" "${@:3}"
    ;;
  package)
    install_missing "${packages[@]}" libgtest-dev libbenchmark-dev "${package_packages[@]}"
    build release build --target moesim moesim_python moesim_manual
    (cd build && quietly cpack.log cpack)
    tests/package/check.sh build
    ;;
  *)
    echo "usage: sim/setup.sh [install | run | test | strict | debug | odr | bench | fuzz | package]" >&2
    exit 2
    ;;
esac
