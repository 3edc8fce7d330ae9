"""An HTTP service that trains classifiers, and streams the score of each epoch as a line of JSON.

    python examples/training_service.py [--latency 0.2]

It stands for a remote machine: each epoch is real training (scikit-learn, on this computer), plus a
latency during which nothing is computed here, as if the work were done and queued for elsewhere.

    POST /train       {"epochs": 20, "loss": "hinge", "alpha": 1e-4, "eta0": 0.01}
    GET  /statistics  {"epochs": 1234, "running": 0, "finished": 61, "hung_up": 99}

Its first line of output is its address. It ends when its standard input is closed, and so never
outlives the process that started it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import uvicorn
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

CLASSES = np.arange(10)
X, y = load_digits(return_X_y=True)
X_train, X_valid, y_train, y_valid = train_test_split(
    X / 16, y, train_size=800, test_size=400, random_state=0, stratify=y
)


class TrainingService:
    """Train whatever is asked for, and count what was done."""

    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.counts = {"epochs": 0, "running": 0, "finished": 0, "hung_up": 0}

    async def train(self, request: Request) -> StreamingResponse:
        job = await request.json()
        epochs = job.pop("epochs")
        model = SGDClassifier(**job, learning_rate="constant", random_state=0)
        return StreamingResponse(self.scores(model, epochs), media_type="application/x-ndjson")

    async def scores(self, model: Any, epochs: int) -> AsyncIterator[str]:
        """Train epoch by epoch; a client that hangs up cancels this at its next await."""
        end = "hung_up"
        self.counts["running"] += 1
        try:
            for epoch in range(epochs):
                await asyncio.sleep(self.latency)
                accuracy = await asyncio.to_thread(train_one_epoch, model)
                self.counts["epochs"] += 1
                if epoch == epochs - 1:
                    end = "finished"
                yield json.dumps({"epoch": epoch, "accuracy": accuracy}) + "\n"
        finally:
            self.counts["running"] -= 1
            self.counts[end] += 1

    async def statistics(self, request: Request) -> JSONResponse:
        return JSONResponse(self.counts)


def train_one_epoch(model: Any) -> float:
    model.partial_fit(X_train, y_train, classes=CLASSES)
    return float(model.score(X_valid, y_valid))


async def serve(latency: float) -> None:
    """Serve on a free port of this computer until standard input is closed."""
    service = TrainingService(latency)
    routes = [
        Route("/train", service.train, methods=["POST"]),
        Route("/statistics", service.statistics),
    ]
    config = uvicorn.Config(
        Starlette(routes=routes), log_level="warning", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        threading.Thread(target=stop_at_end_of_input, args=[server], daemon=True).start()
        await server.serve(sockets=[listener])


def stop_at_end_of_input(server: uvicorn.Server) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    server.should_exit = True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--latency", type=float, default=0.2, help="seconds added to each epoch")
    asyncio.run(serve(parser.parse_args().latency))


if __name__ == "__main__":
    main()
