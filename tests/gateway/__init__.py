"""The gateway, and its parts."""
