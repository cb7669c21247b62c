"""The caches: all the chats of the bot, and users and groups by ID. They use no transport.

    Chats --> ChatCache --> Refresher --> Source: ServerSource, or StoreSource around it
                 |              |            |
                 '-------> CacheState <------'      one lock; every transition is a method

`CacheState` holds the `ChatSnapshot` that look-ups read, the last `ConfirmedListing` and the
`Facts` (states of chats that a listing may not show yet). In `Refresher` and in
`ExpiringCache` (users, groups), one thread sends the request and the other threads wait for the
result: see `single_flight`. Services and stores use this package.

Glossary:

- View: the snapshot of the chats that look-ups read now.
- Flight: one fetch that threads share. One thread makes the requests, and the other threads wait.
- Epoch: the time between two changes that make the view expire, such as a write or an event.
- Loss: an `invalidate`, a 401 or a `close`, each of which drops the last listing.
- Doubt: the time during a write, and after a write of unknown outcome. Listings then expire early.
- Fact: the state of one chat in the response to a write, in an event or after a 404. Look-ups show
  it if its revision is higher than the one in the listing.
- Revision: a number of the server that grows with each change of a chat.
- Slot: the place in a store that keeps the chats of one bot.
- Generation: a random token of a slot. Each own write, each `invalidate` and each 401 replaces it.
- Mark: a note in a slot that a write is in doubt. It stays if the process is killed.
- Lease: the right to list the chats for all processes that share a slot, for some seconds.
"""
