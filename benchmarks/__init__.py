"""Speed and memory, measured: one module a question, one command for all (`make bench`)."""
