"""What the store promises, on every database it runs on."""
