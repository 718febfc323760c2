//! Structured merge and diff over OpenAPI schemas: fields, owners, server-side apply
