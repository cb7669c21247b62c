"""VendorTransport: the vendor's async SDK, on a thread of its own."""

from teamwire_sync._transports.vendor.transport import VendorTransport

__all__ = ["VendorTransport"]
