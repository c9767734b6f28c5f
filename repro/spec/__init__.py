"""What a study asks for: reading and checking a spec, expanding it into cells, and telling cells apart."""
