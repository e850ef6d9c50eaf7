"""Moving images to another installation: an archive is written there and read here."""
