"""How sizes and amounts are written wherever a person reads them."""


def short(amount: float) -> str:
    """A number of parameters, prompts or tokens as people say it: 26.7K, 1.59M, 7B."""
    for scale, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if amount >= 0.9995 * scale:
            return f"{amount / scale:.3g}{unit}"
    return f"{amount:.3g}"
