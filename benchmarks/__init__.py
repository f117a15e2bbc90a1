"""Benchmarks against bare WSGI and plain Flask: `python -m benchmarks`."""
