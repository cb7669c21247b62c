"""A local server that speaks the REST contract, for demos, notebooks and tests.

Here is the HTTP part; it works on the people and chats of `world` and knows nothing of `controls`.
Programs use `teamwire_sync.testing`; of the package, only that and the command line may import it.
"""
