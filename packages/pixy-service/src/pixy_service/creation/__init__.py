"""How an image is made, and what becomes of it when something fails."""
