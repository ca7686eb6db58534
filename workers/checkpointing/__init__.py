"""Checkpoints: a trial's whole state at the end of a step, either whole or not there.

* `manifest`: the list of a checkpoint's files, with the size and the SHA-256 of each; the mark that it is complete.
* `contents`: which files a checkpoint may hold: nothing that runs code when it is loaded.
* `folders`: checkpoints in folders of a disk, or of a file system that several hosts share.
* `objects`: checkpoints in an object store, which has no rename, by fsspec.
* `saving`: what a trial calls, wherever its checkpoints are.
* `resuming`: the newest one that is whole.
* `retention`: which of them are kept.
* `staging`: where they are written before they are whole, and a disk that is full meanwhile.
"""
