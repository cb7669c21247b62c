"""The caches: all the chats of the bot, and users and groups by ID. They use no transport.

    Chats --> ChatCache --> Refresher --> Source: ServerSource, or StoreSource around it
                 |              |            |
                 '-------> CacheState <------'      one lock; every transition is a method

`CacheState` holds the `ChatSnapshot` that look-ups read, the last `ConfirmedListing` and the
`Facts` (own writes that a listing may not show yet). In `Refresher` and in `ExpiringCache` (users,
groups), one thread sends the request and the other threads wait for it: see `single_flight`.
Services and stores use this package.
"""
