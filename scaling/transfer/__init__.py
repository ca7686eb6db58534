"""What does training on one task do to others? Start at `fit`."""
