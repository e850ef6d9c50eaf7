"""Image generators. None imports a provider's SDK before it asks the provider."""
