"""What test loss will a size reach at a budget, which budget does a loss take, and which size is best for it?

Start at `predict` and `frontier`.
"""
