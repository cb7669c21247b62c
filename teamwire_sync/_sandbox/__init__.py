"""A local server that speaks the REST contract, for demos, notebooks and tests."""
