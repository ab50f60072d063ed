"""Python's Celery as a contestant: confirm_publish on, its own pool of connections.

Speaks the protocol of harness/contestant-process.js over the channel that Node opens for a child process:
one JSON object per line, over the socket whose number stands in NODE_CHANNEL_FD.
"""
import json
import os
import socket
import threading
import time

import celery

# Celery's own default of broker_pool_limit. Each thread waits for its confirm, so this bounds what is in flight.
MAX_THREADS = 10

channel = socket.socket(fileno=int(os.environ["NODE_CHANNEL_FD"]))
lines = channel.makefile("r", encoding="utf-8")


def tell(message):
    channel.sendall((json.dumps(message) + "\n").encode())


def make_app(settings):
    app = celery.Celery("bench", broker=settings["url"].replace("amqp://", "pyamqp://"))
    app.conf.broker_transport_options = {"confirm_publish": True}
    app.conf.broker_pool_limit = MAX_THREADS
    app.conf.task_ignore_result = True
    # Celery declares its default queue even for a message that goes elsewhere.
    app.conf.task_default_queue = settings["ownQueue"]
    return app


def destination(settings):
    """A queue; or, for none, an exchange that every broker has and a key that nothing is bound by."""
    if settings["toQueue"]:
        return {"queue": settings["queue"]}
    return {"exchange": "amq.direct", "routing_key": settings["queue"]}


def run(app, settings, more):
    """Sends while more() says so, on as many threads as there may be messages in flight."""
    route = destination(settings)
    failures = []

    def lane():
        try:
            while True:
                number = more()
                if number is None:
                    return
                app.send_task("bench.add", (number, 3), ignore_result=True, **route)
        except Exception as error:  # told to the parent below
            failures.append(repr(error))

    threads = [threading.Thread(target=lane) for _ in range(min(MAX_THREADS, settings["inFlight"]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(failures[0])


def turn(app, settings, command):
    lock = threading.Lock()
    sent = [0]
    deadline = time.monotonic() + command.get("ms", 0) / 1000

    def more():
        with lock:
            over = sent[0] >= command["count"] if "count" in command else time.monotonic() >= deadline
            if over:
                return None
            sent[0] += 1
            return sent[0]

    cpu, wall = time.process_time(), time.monotonic()
    run(app, settings, more)
    seconds, spent = time.monotonic() - wall, time.process_time() - cpu
    return {"count": sent[0], "wallMs": seconds * 1e3, "cpuUs": spent * 1e6}


def one_by_one(app, settings, command):
    route = destination(settings)
    micros = []
    for number in range(-command["before"], command["count"]):
        begun = time.perf_counter()
        app.send_task("bench.add", (number, 3), ignore_result=True, **route)
        micros.append((time.perf_counter() - begun) * 1e6)
    return {"micros": micros[command["before"]:]}


def main():
    app = settings = None
    for line in lines:
        command = json.loads(line)
        try:
            if command["do"] == "connect":
                settings = command["settings"]
                app = make_app(settings)
                answer = {"version": celery.__version__}
            elif command["do"] in ("turn", "calibrate"):
                answer = turn(app, settings, command)
            elif command["do"] == "latencies":
                answer = one_by_one(app, settings, command)
            elif command["do"] == "close":
                app.pool.force_close_all()
                tell({"answer": {}})
                return
            tell({"answer": answer})
        except Exception as error:
            tell({"error": repr(error)})


main()
