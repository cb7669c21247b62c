"""Programs of others read openapi.yaml: generators of clients, and a proxy that validates."""
