"""What a Teamwire server has: chats, users, groups, messages and events, as frozen values."""
