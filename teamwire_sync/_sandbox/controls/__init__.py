"""What a test or a demo does to a running sandbox: faults, holds, the clock, what other users do.

It wraps the HTTP part and acts on the world; neither of them knows it.
Programs use it through `teamwire_sync.testing` and the pytest fixture alone.
"""
