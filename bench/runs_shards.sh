#!/usr/bin/env bash
# What a second process adds: a sweep of equal, CPU-bound points in one process of one thread, and as two shards side by
# side with their merge; the median of three runs of each, taken in turn.  The machine should have two idle cores.
# Usage: runs_shards.sh PROGRAM
set -euo pipefail
program=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >sweep.yaml <<'END'
title: Equal points
scenario: train-deepseek-v3
vary: [{key: training.schedule, values: [1f1b]}]
set: ["expect=[]", training.overlap=auto, training.batch=3840]
seeds: 8
END
seconds() {  # seconds COMMAND...: how long it takes
  local begun=$EPOCHREALTIME
  "$@" >/dev/null 2>log || { cat log >&2; exit 1; }
  awk -v a="$begun" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }'
}
one() { "$program" sweep sweep.yaml --jobs 1 -o one.db; }
two() {
  "$program" sweep sweep.yaml --jobs 1 --shard 1/2 -o 1.db &
  local first=$!
  "$program" sweep sweep.yaml --jobs 1 --shard 2/2 -o 2.db
  wait $first
  "$program" merge -o two.db 1.db 2.db
}
echo "load before: $(cut -d' ' -f1-3 /proc/loadavg), $(nproc) cores"
for turn in 1 2 3; do
  rm -f ./*.db
  a=$(seconds one)
  b=$(seconds two)
  echo "one process $a s, two $b s"
  echo "$a" >>one.txt
  echo "$b" >>two.txt
done
"$program" diff one.db two.db
median() { sort -g "$1" | sed -n 2p; }
awk -v a="$(median one.txt)" -v b="$(median two.txt)" 'BEGIN { printf "medians: %.2f s and %.2f s, %.2f times as fast\n", a, b, a / b }'
