"""The sweep files that ship with rlsweep."""
