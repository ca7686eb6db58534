"""The command line, the sweep file, launching on Ray, and what is shown while a sweep runs."""
