"""The tables as SQLAlchemy classes, and the answers as pydantic ones."""

import datetime

from pydantic import BaseModel, ConfigDict
from sqlalchemy import DateTime, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The declarative base class of SQLAlchemy."""


class User(Base):
    """A row of users."""

    __tablename__ = "users"

    username: Mapped[str] = mapped_column(String(64), primary_key=True)
    password: Mapped[str] = mapped_column(String(255))
    class_key: Mapped[str] = mapped_column(String(64))
    disabled: Mapped[bool]


class Image(Base):
    """A row of images."""

    __tablename__ = "images"

    id: Mapped[int] = mapped_column(primary_key=True)
    guid: Mapped[str] = mapped_column(String(36), unique=True)
    filename: Mapped[str] = mapped_column(String(255))
    prompt: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime.datetime] = mapped_column(DateTime)
    updated_at: Mapped[datetime.datetime] = mapped_column(DateTime)
    owner: Mapped[str] = mapped_column(String(64))
    class_key: Mapped[str] = mapped_column(String(64))
    visibility: Mapped[str] = mapped_column(String(7))
    media_type: Mapped[str] = mapped_column(String(255))
    width: Mapped[int]
    height: Mapped[int]
    size: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    generator: Mapped[str] = mapped_column(String(255))
    model: Mapped[str] = mapped_column(String(255))


class ImageOut(BaseModel):
    """An image in an answer, with the same members as PixyProxy's."""

    model_config = ConfigDict(from_attributes=True)

    guid: str
    filename: str
    prompt: str
    visibility: str
    owner: str
    media_type: str
    width: int
    height: int
    size: int
    sha256: str
    generator: str
    model: str
    created_at: datetime.datetime
    updated_at: datetime.datetime
