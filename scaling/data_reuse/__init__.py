"""How often can a prompt be used before it harms? Start at `fit`."""
