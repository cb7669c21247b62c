"""The objects that programs call: chats, users, groups, events and attachments.

They work on a transport and a cache. They do not depend on HTTP, JSON, the vendor's SDK or stores.
The Connection creates them.
"""
