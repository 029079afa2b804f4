#!/usr/bin/env bash
# The Debian package in a system that has nothing but what it depends on: tests/package/check.sh [BUILD].
#   - `cmake --install` to a prefix of no importance: program and module run from there, also after it was moved
#   - the package in a fresh Debian of this machine's release, from where this machine's apt has its packages
#     (mmdebstrap and root or sudo; without them ends with 77), where it answers, finds its data, records routing with
#     OpenBLAS, has its man pages, completion, module, and goes without a trace
# Takes minutes and needs the network, so that it is not among the quick tests.
set -euo pipefail
build=$(realpath "${1:-build}")
work=$(mktemp -d /tmp/moesim-package.XXXXXX)
as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
trap '"${as_root[@]}" rm -rf "$work"' EXIT
say() { printf '== %s\n' "$*"; }
die() { printf 'package: %s\n' "$*" >&2; exit 1; }

say "Installed under a prefix, then moved"
cmake --install "$build" --prefix "$work/first" >"$work/install.log"
mv "$work/first" "$work/moved"
moved=$work/moved
mkdir "$work/empty" && cd "$work/empty"
"$moved/bin/moesim" list models | grep deepseek-v3 >/dev/null || die "no models"
strace_ok=yes
if command -v strace >/dev/null; then
  strace -f -e trace=openat -o "$work/opened" "$moved/bin/moesim" run train-deepseek-v3 --dry-run >/dev/null
  grep -F "\"$moved/share/moesim/scenarios/train-deepseek-v3.yaml\"" "$work/opened" >/dev/null || strace_ok=no
fi
[ $strace_ok = yes ] || die "the scenario was not read from the prefix"
"$moved/bin/moesim" run train-deepseek-v3 --set published=[] >/dev/null || die "a scenario does not run"
if [ -d "$moved/lib/python3/dist-packages/moesim" ]; then
  PYTHONPATH=$moved/lib/python3/dist-packages /usr/bin/python3 -c '
import moesim
assert moesim._program().startswith("'"$moved"'"), moesim._program()
assert moesim._installed_data() == "'"$moved"'/share/moesim"
assert "quickstart" in moesim.names("scenarios")' || die "the module does not run from the prefix"
  [ "$("$moved/bin/moesim" --python)" = "$moved/lib/python3/dist-packages" ] || die "--python names another folder"
fi

say "The package"
(cd "$build" && cpack -G DEB -B "$work/packages" >"$work/cpack.log") || { cat "$work/cpack.log"; die "cpack failed"; }
package=$(ls "$work"/packages/*.deb)
dpkg-deb --field "$package" Package Version Architecture Depends
dpkg-deb --contents "$package" | grep -E 'usr/bin/moesim$' >/dev/null || die "no program in it"

if ! command -v mmdebstrap >/dev/null || { [ ${#as_root[@]} -gt 0 ] && ! command -v sudo >/dev/null; }; then
  echo "no mmdebstrap here, or neither root nor sudo: the chroot is left out"
  exit 77
fi
codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
  sort -u >"$work/debian.list"
[ -s "$work/debian.list" ] || die "apt knows no source of Debian here (apt-get update asks them)"
say "A fresh Debian ($codename) with it"
root=$work/root
"${as_root[@]}" mmdebstrap --quiet --mode=root --variant=apt --include=ca-certificates "$codename" "$root" \
  "$work/debian.list" 2>"$work/mmdebstrap.log" || { cat "$work/mmdebstrap.log"; die "no Debian to install it in"; }
"${as_root[@]}" cp "$package" "$root/tmp/moesim.deb"
in_root() { "${as_root[@]}" chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/bin:/bin LC_ALL=C.UTF-8 "$@"; }
in_root DEBIAN_FRONTEND=noninteractive apt-get update -qq
in_root DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends /tmp/moesim.deb >"$work/apt.log" 2>&1 ||
  { cat "$work/apt.log"; die "does not install"; }
in_root moesim --version
in_root moesim list scenarios | grep quickstart >/dev/null || { in_root moesim list scenarios | head -3; die "no scenarios"; }
in_root moesim show deepseek-v3 >/dev/null
in_root sh -c 'cd /tmp && moesim run quickstart >quickstart.txt && moesim report quickstart.db' || die "the quickstart does not run"
in_root sh -c 'grep -q "fingerprint" /tmp/quickstart.txt'
in_root sh -c 'cd /tmp && moesim run quickstart --force >/dev/null' || die "--force"
in_root test -s /usr/share/bash-completion/completions/moesim
in_root test -s /usr/share/zsh/vendor-completions/_moesim
in_root bash -c '. /usr/share/bash-completion/completions/moesim
  COMP_WORDS=(moesim re) COMP_CWORD=1 COMP_LINE="moesim re" COMP_POINT=9
  "$(complete -p moesim | sed "s/.*-F \([^ ]*\).*/\1/")" moesim re moesim && printf "%s\n" "${COMPREPLY[@]}" | grep -x report' >/dev/null ||
  die "bash does not complete"
in_root test -e /usr/share/man/man1/moesim-run.1 -o -e /usr/share/man/man1/moesim-run.1.gz || die "no man page"
in_root grep -q "No licence" /usr/share/doc/moesim/copyright

say "The Python module there"
if [ -d "$root/usr/lib/python3/dist-packages/moesim" ]; then
  in_root DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 python3-pandas >"$work/apt.log" 2>&1
  "${as_root[@]}" tee "$root/tmp/module.py" >/dev/null <<'END'
import moesim, pandas
scenario = {"model": "deepseek-v2-lite", "cluster": "h800-32", "routing": {"kind": "log_normal", "sigma": 0.15},
            "training": {"sequence": 4096, "batch": 256, "parallel": {"pipeline": 4, "expert": 8, "zero": 1}}}
r = moesim.run(scenario, set={"training.batch": 512})
stages, frame = r.table("stage"), r.frame("stage")
assert isinstance(stages, list) and isinstance(stages[0], dict) and stages[0]["stage"] == 0, stages[:1]
assert isinstance(frame, pandas.DataFrame) and len(frame) == len(stages) and list(frame.columns) == list(stages[0])
print(round(r.metrics()["step_time"], 2), "s a step;", len(frame), "rows of stages")
END
  in_root sh -c 'cd /tmp && python3 module.py && PYTHONPATH=$(moesim --python) python3 module.py' || die "the module does not run"
fi

say "And without it again"
in_root apt-get remove -y -qq moesim >/dev/null 2>&1
left=$(find "$root/usr" -iname '*moesim*' -not -path '*/doc/*' 2>/dev/null)
[ -z "$left" ] || die "leaves behind: $left"
say "Done"
