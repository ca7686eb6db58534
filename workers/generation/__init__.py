"""Where completions come from: the engine of a trial, and what surrounds the trainer because of it."""
