"""Reading what an endpoint exposes, ours or anybody's."""
