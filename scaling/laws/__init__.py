"""The formulas: how k may depend on N, how the loss of one run may fall, and how each is fitted."""
