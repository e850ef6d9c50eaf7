"""The textbook service: the reads of PixyProxy, written as in FastAPI's and SQLAlchemy's tutorials.

Synchronous endpoints, a session for each request from a `yield` dependency, response models,
FileResponse, HTTPBasic, and argon2 at each request. It keeps no request log, and pages by
offset. It reads the same tables and files as PixyProxy does.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import argon2
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.responses import FileResponse
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from models import Image, ImageOut, User
from sqlalchemy import create_engine, or_, select
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.sql import ColumnElement

DATABASE_URL, IMAGES, PORT = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
# as many connections as FastAPI has threads for synchronous endpoints
engine = create_engine(DATABASE_URL, pool_size=40, pool_pre_ping=True)
SessionLocal = sessionmaker(bind=engine)
hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
basic = HTTPBasic(auto_error=False)
app = FastAPI()


def get_session() -> Iterator[Session]:
    """Yield a session for one request."""
    with SessionLocal() as session:
        yield session


SessionDep = Annotated[Session, Depends(get_session)]


def get_user(
    session: SessionDep, credentials: Annotated[HTTPBasicCredentials | None, Depends(basic)]
) -> User | None:
    """Return the user, if the request has credentials."""
    if credentials is None:
        return None
    user = session.get(User, credentials.username)
    try:
        if user is None or user.disabled:
            raise HTTPException(401)
        hasher.verify(user.password, credentials.password)
    except argon2.exceptions.VerificationError as error:
        raise HTTPException(401) from error
    return user


UserDep = Annotated[User | None, Depends(get_user)]


def visible(user: User | None) -> ColumnElement[bool]:
    """Return the condition for what a user may see."""
    public = Image.visibility == "public"
    if user is None:
        return public
    own_class = (Image.visibility == "class") & (Image.class_key == user.class_key)
    return or_(public, Image.owner == user.username, own_class)


def find(session: Session, user: User | None, guid: str) -> Image:
    """Return one image that a user may see."""
    image = session.scalar(select(Image).where(Image.guid == guid, visible(user)))
    if image is None:
        raise HTTPException(404)
    return image


@app.get("/ready")
def ready() -> str:
    """Return 200 as soon as the server runs."""
    return "ready"


@app.get("/image", response_model=list[ImageOut])
def list_images(
    session: SessionDep,
    user: UserDep,
    limit: Annotated[int | None, Query(ge=1, le=200)] = None,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> list[Image]:
    """Return the images that the user may see, newest first."""
    query = select(Image).where(visible(user)).order_by(Image.created_at.desc(), Image.guid.desc())
    return list(session.scalars(query.limit(limit).offset(offset)))


@app.get("/image/{guid}", response_model=ImageOut)
def get_image(guid: str, session: SessionDep, user: UserDep) -> Image:
    """Return the details of an image."""
    return find(session, user, guid)


@app.get("/image/{guid}/content")
def get_content(guid: str, session: SessionDep, user: UserDep) -> FileResponse:
    """Return the file of an image."""
    image = find(session, user, guid)
    return FileResponse(IMAGES / guid[:2] / image.filename, media_type=image.media_type)


if __name__ == "__main__":
    uvicorn.run(app, port=PORT, access_log=False, log_level="warning")
