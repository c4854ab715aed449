"""Messages and what is kept of them, for one PBX of any family."""
