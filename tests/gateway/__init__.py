"""The gateway, in parts."""
