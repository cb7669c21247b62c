"""The one seam to a Teamwire server."""
