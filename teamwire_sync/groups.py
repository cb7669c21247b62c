"""Circles and distribution lists, under the vendor's module name."""

from teamwire_sync._models.people import Group

__all__ = ["Group"]
