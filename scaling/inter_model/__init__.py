"""How does learning efficiency depend on model size? Start at `fit`."""
