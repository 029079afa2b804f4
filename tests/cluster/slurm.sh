#!/usr/bin/env bash
# A sweep as a Slurm array on this machine: a controller and two daemons on loopback, one task killed and requeued, and
# the merged shards held against the sweep in one process.
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
mkdir -p "$folder"/{state,spool1,spool2,munge,results}
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
cd "$folder"
"$program" sweep sweep.yaml -o one.db >/dev/null
job=$(sbatch --parsable --array=1-4 --cpus-per-task=1 --output="$folder/task-%a.log" \
  "$root/scenarios/cluster/sweep-slurm.sh" "$folder/sweep.yaml" "$folder/results")
some_stored() { [ -f results/shard-1.db ] && [ "$(sqlite3 results/shard-1.db 'SELECT count(*) FROM run')" -ge 1 ]; }
wait_for 60 "point of the first shard" some_stored
scontrol requeue "${job}_1" # Slurm ends the task with SIGTERM, then SIGKILL, and starts it again
all_done() { [ -z "$(squeue -h -j "$job")" ]; }
wait_for 180 "end of the array" all_done
"$program" merge -o merged.db results/shard-*.db
"$program" diff one.db merged.db
grep -h 'holds .* already' task-1.log
echo "the array's shards, one killed and gone on with, are the sweep in one process"
