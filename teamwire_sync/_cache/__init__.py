"""The caches: of all the chats, and of users and groups by id. They know nothing of transports.

    Chats --> ChatCache --> Refresher --> Source: ServerSource, or StoreSource around it
                 |              |            |
                 '-------> CacheState <------'      one lock; every transition is a method of it

`CacheState` holds the `ChatSnapshot` that look-ups read, the last `ConfirmedListing` and the
`Facts`: own writes that a listing may not show yet. `Refresher` and `ExpiringCache` (users,
groups) have one thread ask for all that wait: `single_flight`. Services and stores use it.
"""
