"""Images from the OpenAI API, or from a server that speaks its protocol."""
