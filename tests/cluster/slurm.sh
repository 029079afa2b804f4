#!/usr/bin/env bash
# A sweep, and the search for a plan's answer, as Slurm arrays on this machine: a controller and two daemons on loopback,
# one task killed and requeued, one lost and submitted alone, and the merged shards held against one process.
# Usage: slurm.sh PROGRAM   (as root; needs slurm-wlm and munge of Debian; not one of the quick tests)
set -euo pipefail
program=$(realpath "$1")
root=$(cd "$(dirname "$0")/../.." && pwd)
for tool in slurmctld slurmd sbatch munged; do
  command -v $tool >/dev/null || { echo "skipped: $tool is not installed (apt-get install slurm-wlm munge)"; exit 0; }
done
[ "$(id -u)" -eq 0 ] || { echo "skipped: the daemons want to be root"; exit 0; }

folder=$(mktemp -d)
pids=()
end() {
  kill "${pids[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
  [ -n "${MOESIM_KEEP_TMP:-}" ] || rm -rf "$folder"
}
trap end EXIT
mkdir -p "$folder"/{state,spool1,spool2,munge}
chmod 755 "$folder"

dd if=/dev/urandom of="$folder/munge/key" bs=1 count=1024 status=none
chmod 400 "$folder/munge/key"
munged --foreground --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
  --pid-file="$folder/munge/pid" --log-file="$folder/munge/log" --seed-file="$folder/munge/seed" >"$folder/munged.log" 2>&1 &
pids+=($!)

host=$(hostname -s)
cat >"$folder/slurm.conf" <<END
ClusterName=moesim
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=26817
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
SchedulerParameters=sched_interval=1,batch_sched_delay=0
JobRequeue=1
KillWait=2
ReturnToService=2
SlurmdParameters=config_overrides
NodeName=1 NodeHostname=$host NodeAddr=127.0.0.1 Port=26818 CPUs=1
NodeName=2 NodeHostname=$host NodeAddr=127.0.0.1 Port=26819 CPUs=1
PartitionName=all Nodes=1,2 Default=YES State=UP
END
export SLURM_CONF="$folder/slurm.conf" MOESIM="$program"
sleep 1
slurmctld -D >"$folder/slurmctld.log" 2>&1 &
pids+=($!)
for node in 1 2; do
  slurmd -D -N $node >"$folder/slurmd$node.log" 2>&1 &
  pids+=($!)
done
wait_for() {  # wait_for SECONDS WHAT COMMAND...
  local left=$((10 * $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    left=$((left - 1))
    if [ $left -le 0 ]; then
      echo "failed: no $what" >&2
      tail -n 20 "$folder"/*.log >&2
      exit 1
    fi
    sleep 0.1
  done
}
both_idle() { [ "$(sinfo -h -o %D -t idle | paste -sd+ | bc)" = 2 ]; }
wait_for 30 "two idle nodes" both_idle

cat >"$folder/sweep.yaml" <<'END'
title: Batches of a V3 step
scenario: train-deepseek-v3
vary: [{key: training.batch, from: 3840, to: 15360, steps: 4, whole: true}]
set: ["expect=[]", training.schedule=1f1b, training.overlap=auto]
seeds: 4
END
cat >"$folder/plan.yaml" <<'END'
model: deepseek-v2-lite
routing: {kind: log_normal, sigma: 0.7}
size:
  workload: {kind: poisson, rate: 60, input: {kind: fixed, mean: 800}, output: {kind: fixed, mean: 60}}
  targets: {ttft_p90: 500 ms, tpot_p90: 40 ms}
  candidates:
    nodes: [{node: hgx-h100, nodes: 2}, {node: hgx-h200, nodes: 2}]
    layouts: [aggregated]
    tensor: [1, 2]
    batch: [16, 32, 64]
    tokens: [2048]
  search: {exhaustive: true, seeds: 1, least: 60 s, most: 60 s}
END
cd "$folder"

all_done() { [ -z "$(squeue -h -j "$job")" ]; }
submit() {  # submit TASKS VERB FILE RESULTS [TABLE]: once a row of TABLE is stored, task 1 is requeued
  job=$(sbatch --parsable --array="$1" --cpus-per-task=1 --output="$4-task-%a.log" \
    "$root/scenarios/cluster/slurm.sh" "$2" "$folder/$3" "$folder/$4" 4)
  if [ -n "${5:-}" ]; then
    table=$5 shard="$4/shard-1.db"
    some_stored() { [ -f "$shard" ] && [ "$(sqlite3 "$shard" "SELECT count(*) FROM $table")" -ge 1 ]; }
    wait_for 120 "row of the first shard" some_stored
    scontrol requeue "${job}_1" # Slurm ends the task with SIGTERM, then SIGKILL, and starts it again
  fi
  wait_for 900 "end of the array" all_done
}
shards() {  # shards VERB FILE RESULTS TABLE
  submit 1-4 "$1" "$2" "$3" "$4"
  grep -h 'holds .* already' "$3-task-1.log"
  rm "$3/shard-3.db"
  submit 3 "$1" "$2" "$3"
  "$program" merge -o "$3.db" "$3"/shard-*.db
}

"$program" sweep sweep.yaml -o one-sweep.db >/dev/null
shards sweep sweep.yaml points run
"$program" diff one-sweep.db points.db
echo "the sweep's shards, one killed and gone on with, one lost and computed alone, are the sweep in one process"

"$program" size plan.yaml --json -o one-plan.db >one-plan.json
shards size plan.yaml trials trial
"$program" size plan.yaml --json --resume -o trials.db >plan.json
cmp one-plan.json plan.json
for table in candidate candidate_pool variation metric; do
  cmp <(sqlite3 one-plan.db "SELECT * FROM $table") <(sqlite3 trials.db "SELECT * FROM $table")
done
echo "the plan's shards, one killed and gone on with, one lost and computed alone, give the answer of one process"
