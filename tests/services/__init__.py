"""The client against real programs of others, which have to be installed for it."""
