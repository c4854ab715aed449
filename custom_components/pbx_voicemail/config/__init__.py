"""Creates and changes config entries: what people are asked, and what the PBX is asked."""
