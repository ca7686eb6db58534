"""Telling others what happens to a sweep: signed messages by HTTP, from the driver, without ever holding it up."""
