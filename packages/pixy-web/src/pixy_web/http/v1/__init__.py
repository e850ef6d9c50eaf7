"""The OpenAI-compatible API, `/v1`: how its requests are read and its answers written."""
