"""Finding new messages, their recordings and transcripts, for a PBX of any family."""
