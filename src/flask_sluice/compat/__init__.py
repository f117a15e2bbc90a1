"""Other extensions' names and arguments on this engine, imported when asked for."""
