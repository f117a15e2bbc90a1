"""What bytes mean: encoders without I/O, clocks or Flask."""
