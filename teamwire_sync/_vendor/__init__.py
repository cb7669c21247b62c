"""A transport that runs the vendor's async SDK on its own thread.

`_connection`, programs and the command ``vendor-check`` use `VendorTransport`.
Other packages must not use anything else from this package.
"""

from teamwire_sync._vendor.transport import VendorTransport

__all__ = ["VendorTransport"]
