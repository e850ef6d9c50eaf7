"""Images drawn on this machine, without a provider."""
