"""From a source of rows to a file's bytes, and what became of it. Flask-free."""
