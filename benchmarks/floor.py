"""The floor: a bare Flask route that checks a JWT, and one that also asks one indexed question."""

import os
from typing import Any

import jwt
import psycopg
from flask import Flask, Response, request

app = Flask(__name__)
KEY = os.environ["FLOOR_KEY"]
_connections: list[Any] = []


def _check() -> None:
    jwt.decode(request.headers["Authorization"].removeprefix("Bearer "), KEY, algorithms=["HS256"])


@app.get("/healthz")
def healthz() -> Response:
    """It serves."""
    return Response(b"{}\n", mimetype="application/json")


@app.post("/bare")
def bare() -> Response:
    """Prove the token, answer three bytes."""
    _check()
    return Response(b"{}\n", mimetype="application/json")


@app.post("/query")
def query() -> Response:
    """Prove the token and read one row by its key, on a kept connection."""
    _check()
    connection = (
        _connections.pop() if _connections else psycopg.connect(os.environ["FLOOR_DATABASE"], autocommit=True)
    )
    ((position,),) = connection.execute("SELECT position FROM floor WHERE id = %s", (1,)).fetchall()
    _connections.append(connection)
    return Response(b"%d\n" % position, mimetype="application/json")
