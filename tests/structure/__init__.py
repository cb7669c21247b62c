"""The shape of the package: who imports whom, and what has which name."""
