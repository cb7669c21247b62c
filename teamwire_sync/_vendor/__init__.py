"""The vendor's async SDK as a transport: its calls, errors and objects as those of this package.

The SDK runs on a thread of its own. `_connection` makes a `VendorTransport`, and programs may;
the command ``vendor-check`` has its checklist in `check`. Nothing else of it is used elsewhere.
"""

from teamwire_sync._vendor.transport import VendorTransport

__all__ = ["VendorTransport"]
