#!/bin/bash
# A job array: each of its tasks verifies one share of the objects.
#
#   mkdir reports
#   sbatch slurm.sh
#   sbatch --dependency=afterany:JOBID --wrap 'ferry verify --merge reports/report-*.json'
#
# To run some shares again: sbatch --array=3,7 slurm.sh. The number of shares is in two places:
# --array and SHARDS.
#
#SBATCH --job-name=verify-models
#SBATCH --array=1-16
#SBATCH --cpus-per-task=2
#SBATCH --mem=1G
#SBATCH --output=verify-%A-%a.log
set -eu
SHARDS=${SHARDS:-16}
REPORTS=${REPORTS:-reports}

exec ferry verify --full --shard "$SLURM_ARRAY_TASK_ID/$SHARDS" --json \
	>"$REPORTS/report-$SLURM_ARRAY_TASK_ID.json"
