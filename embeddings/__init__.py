"""Text to unit vectors, and exact search over them. Knows nothing of articles."""
