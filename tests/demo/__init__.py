"""A real Home Assistant beside a simulated PBX: to look at, and for end-to-end tests."""
