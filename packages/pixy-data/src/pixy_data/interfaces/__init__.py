"""What a service may ask of the rows: one interface for each noun, in a module of its name.

No SQL. Who may ask what is decided by a service; here it is only a parameter.
"""

from pixy_data.interfaces.images import ImageRepositoryInterface, Position
from pixy_data.interfaces.users import UserRepositoryInterface, Viewer

__all__ = ["ImageRepositoryInterface", "Position", "UserRepositoryInterface", "Viewer"]
