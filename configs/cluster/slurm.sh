#!/bin/bash
# A run on the nodes of one Slurm job:
#
#     sbatch configs/cluster/slurm.sh configs/gsm8k.yaml output=/shared/runs/gsm8k cluster.workers=auto
#
# Submit it from the folder that has your config and your modules: Ray takes it along. Every node needs
# berry in the environment that is active at submission, and sees the output folder. When the time limit
# is near, or the job is preempted, the run stores its work; the same command resumes it.
#SBATCH --job-name=berry
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --exclusive
#SBATCH --signal=B:TERM@120
set -euo pipefail

port="${RAY_PORT:-6379}"
dashboard="${RAY_DASHBOARD_PORT:-8265}"
agent="${RAY_AGENT_PORT:-52365}" # another Ray on the node may have it; without it, Ray takes no jobs
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head="${nodes[0]}"
address=$(srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address)
address="${address%% *}"
job="berry-${SLURM_JOB_ID}-${SLURM_RESTART_COUNT:-0}"
started=()

finish() {
    # Ray ends with its `ray start --block`.
    for pid in "${started[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    wait "${started[@]}" 2>/dev/null || true
}
trap finish EXIT

srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" \
    ray start --head --block --disable-usage-stats --node-ip-address="$address" --port="$port" \
    --dashboard-host=127.0.0.1 --dashboard-port="$dashboard" \
    --dashboard-agent-listen-port="$agent" &
started+=($!)
until ray health-check --address "$address:$port" 2>/dev/null; do
    kill -0 "${started[0]}" # ends the script if Ray has ended
    sleep 2
done

others=("${nodes[@]:1}")
if [ "${#others[@]}" -gt 0 ]; then
    names="${others[*]}"
    srun --overlap --nodes="${#others[@]}" --ntasks="${#others[@]}" \
        --nodelist="${names// /,}" \
        ray start --block --disable-usage-stats --address="$address:$port" \
        --dashboard-agent-listen-port="$agent" &
    started+=($!)
fi

# This script runs on the first node, as Ray's dashboard does.
export RAY_API_SERVER_ADDRESS="http://127.0.0.1:$dashboard"
# It takes jobs once its agent has registered, a while after it answers.
until ray job submit --no-wait -- true >/dev/null 2>&1; do
    kill -0 "${started[0]}"
    sleep 2
done
ray job submit --submission-id "$job" --working-dir . \
    --runtime-env-json '{"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": "90"}}' -- berry run "$@" &
submitted=$!
trap 'ray job stop "$job"' TERM
status=0
wait "$submitted" || status=$?
if [ "$status" -gt 128 ]; then # a signal interrupted the wait, not the run
    wait "$submitted" || status=$?
fi
exit "$status"
