"""What runs inside a rollout worker: its shards, their checkpoints and files, its places."""
