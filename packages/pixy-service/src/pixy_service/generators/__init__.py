"""Image generators. None imports a provider's SDK before an image is asked for."""
