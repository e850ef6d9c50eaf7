"""The thread pools, their limits and their queues."""
