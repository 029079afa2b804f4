#!/usr/bin/env bash
# A sweep as a Slurm array, a shard a task.  A task that is killed, requeued or submitted again goes on with the points
# that it had stored.
#
#   sbatch --array=1-8 scenarios/cluster/sweep-slurm.sh sweep.yaml results
#   moesim merge -o sweep.db results/shard-*.db
#
#SBATCH --job-name=moesim-sweep
#SBATCH --cpus-per-task=4
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail
sweep=$1
results=$2
mkdir -p "$results"
exec "${MOESIM:-moesim}" sweep "$sweep" --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_MAX" \
  --jobs "${SLURM_CPUS_PER_TASK:-1}" --resume -o "$results/shard-$SLURM_ARRAY_TASK_ID.db"
