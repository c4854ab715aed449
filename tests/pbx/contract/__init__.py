"""What every family's client must do, tried with a PBX of each family."""
