"""What a server needs to schedule calls to the services; other applications do not."""

from pixy_data import Call, Queries, WaitingCalls

__all__ = ["Call", "Queries", "WaitingCalls"]
