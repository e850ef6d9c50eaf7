"""What the bytes of an image file hold: format, size, orientation, colours, thumbnails."""
