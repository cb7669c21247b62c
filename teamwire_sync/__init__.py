"""A blocking Python client for the Teamwire business messenger."""
