"""People and bots, under the vendor's module name."""

from teamwire_sync._models.people import Bot, LoggedInUser, User

__all__ = ["Bot", "LoggedInUser", "User"]
