"""The drivers: the only part that waits."""
