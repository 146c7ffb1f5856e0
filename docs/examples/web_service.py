"""A web service that tells the faces of an uploaded photo, as JSON.

pip install 'fer-live[web]'; python web_service.py
curl --data-binary @photo.jpg http://127.0.0.1:8001/faces
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import asdict

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import fer_live
from fer_live.errors import SourceError

MOST_BYTES = 20_000_000
MOST_PIXELS = 50_000_000


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """The models are opened once, for all requests."""
    with fer_live.Photos(most_pixels=MOST_PIXELS) as photos:
        app.state.photos = photos
        yield


async def faces(request: Request) -> JSONResponse:
    """Read the photo in the request's body; it is not kept."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MOST_BYTES:
            return JSONResponse({"error": f"more than {MOST_BYTES:,} bytes"}, status_code=413)
    try:
        # In a thread: other requests are answered meanwhile.
        result = await run_in_threadpool(request.app.state.photos.read, bytes(data), name="photo")
    except SourceError as error:
        return JSONResponse({"error": str(error)}, status_code=422)
    return JSONResponse({"size_wh": result.size_wh, "faces": [asdict(face) for face in result.faces]})


app = Starlette(routes=[Route("/faces", faces, methods=["POST"])], lifespan=lifespan)

if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, host="127.0.0.1", port=8001)
