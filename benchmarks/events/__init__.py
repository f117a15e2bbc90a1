"""Server-sent events: one app, or server, for each way to send them.

Each has `/events`, which a client keeps open, `/publish?count=&rate=`, which begins to
publish in the background, and `/ping`. An event's data is `tick <number> <ns>`, with
the machine's monotonic clock when it was made, and a hundred bytes more.
"""
