"""The frozen models: chats, users, groups, messages and events of a Teamwire server.

Their methods call services through protocols only. Every other package may use the models.
"""
