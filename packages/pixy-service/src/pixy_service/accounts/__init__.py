"""Users, passwords, and the limit on wrong passwords."""
