"""One trial: data, rewards, GRPO through TRL, FLOPs, evaluation, checkpoints. Writes only to the store."""
