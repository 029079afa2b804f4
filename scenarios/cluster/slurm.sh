#!/usr/bin/env bash
# A sweep or the search for a plan's answer as a Slurm array, a shard a task.
#
#   sbatch --array=1-8 scenarios/cluster/slurm.sh sweep sweep.yaml results 8
#   moesim merge -o sweep.db results/shard-*.db
#
#   sbatch --array=1-8 scenarios/cluster/slurm.sh size plan.yaml results 8
#   moesim merge -o plan.db results/shard-*.db
#   moesim size plan.yaml --resume -o plan.db
#
# A task that is killed, requeued or submitted again goes on with what it had stored; one that was lost is submitted
# alone, under the same number of shards: --array=3 with the same arguments.  Results of another sweep or plan want a
# folder of their own.
#
#SBATCH --job-name=moesim-shards
#SBATCH --cpus-per-task=4
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail
if [ $# -ne 4 ] || [ -z "${SLURM_ARRAY_TASK_ID:-}" ]; then
  echo "usage: sbatch --array=1-SHARDS slurm.sh sweep|size FILE RESULTS SHARDS" >&2
  exit 2
fi
verb=$1 file=$2 results=$3 shards=$4
mkdir -p "$results"
exec "${MOESIM:-moesim}" "$verb" "$file" --shard "$SLURM_ARRAY_TASK_ID/$shards" --jobs "${SLURM_CPUS_PER_TASK:-1}" \
  --resume -o "$results/shard-$SLURM_ARRAY_TASK_ID.db"
