"""Flask glue: API object, authentication, transaction, strict JSON, problem+json."""
