"""Motion JPEG: a camera of 30 frames a second of 30 KB, and two ways to show it.

Each app has `/video`, which a client keeps open, `/running`, which says whether the
camera is read, and `/ping`. A frame says in a line of its own which it is, and when it
was made by the machine's monotonic clock.
"""
