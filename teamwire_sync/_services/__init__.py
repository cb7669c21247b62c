"""What programs call: chats, users, groups, events and attachments, over a transport and a cache.

It knows nothing of HTTP, JSON, the vendor's SDK or stores. The Connection puts it together.
"""
