"""What a sweep would need before it runs: memory, GPUs, FLOPs, time and storage, from pure functions.

Nothing here starts, downloads or writes anything, but for `architectures.from_hub`, which fetches one `config.json`.
"""
