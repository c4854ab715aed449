"""The card, in a real browser."""
