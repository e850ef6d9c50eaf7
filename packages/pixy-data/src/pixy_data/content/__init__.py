"""The bytes of images: files that are written once, journalled, read and checked."""
