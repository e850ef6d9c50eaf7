"""Creating images, and recovering from failures."""
