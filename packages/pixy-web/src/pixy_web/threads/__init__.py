"""Thread pools, their limits and their queues."""
