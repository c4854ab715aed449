"""How an entry of a PBX comes about and changes: what is asked of people, and of the PBX."""
