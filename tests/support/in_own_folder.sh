#!/bin/sh
# in_own_folder.sh COMMAND...: runs it in a fresh folder, which is also its $TMPDIR and goes when it ends; with
# MOESIM_KEEP_TMP set it stays and is named.
folder=$(mktemp -d -t moesim.XXXXXX) || exit 70
if [ -n "${MOESIM_KEEP_TMP+set}" ]; then
  echo "in $folder" >&2
else
  trap 'rm -rf "$folder"' EXIT
fi
cd "$folder" && TMPDIR=$folder "$@"
