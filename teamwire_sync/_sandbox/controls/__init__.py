"""Controls of a running sandbox for tests and demos: faults, holds, the clock, other users.

The controls wrap the application and act on the world. Neither of the two depends on the controls.
Programs use the controls only through `teamwire_sync.testing` and the pytest fixture.
"""
