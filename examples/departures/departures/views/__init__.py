"""One module for each thing that the app shows."""
