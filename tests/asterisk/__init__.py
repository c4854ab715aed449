"""A real Asterisk, and the client that talks to it."""
