"""The REST contract: paths, and JSON to models and back. Nothing else knows it.

The contract is this project's own, since Teamwire's bot protocol is not public; docs/openapi.yaml
is its text.
"""

from __future__ import annotations

from teamwire_sync._http.contract.decoder import Decoder, decode_chat, decode_done, decode_upload
from teamwire_sync._http.contract.events import decode_events
from teamwire_sync._http.contract.operations import (
    OPERATIONS,
    Operation,
    decode_error,
    encode_draft,
    encode_edit,
    encode_message,
)

__all__ = [
    "OPERATIONS",
    "Decoder",
    "Operation",
    "decode_chat",
    "decode_done",
    "decode_error",
    "decode_events",
    "decode_upload",
    "encode_draft",
    "encode_edit",
    "encode_message",
]
