"""What the case `exports` is made of: the data, the apps, the measurements."""
