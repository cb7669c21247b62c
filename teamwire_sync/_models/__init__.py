"""What a Teamwire server has: chats, users, groups, messages and events, as frozen values.

They act through a service that they know by its protocol alone. Every other package may use them.
"""
