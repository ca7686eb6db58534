"""The commands of `rlsweep`, one module each: read the arguments, call the library, print."""
