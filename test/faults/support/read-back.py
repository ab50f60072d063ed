"""Reads messages off a queue until the one that ends it, and prints each as a line of JSON, as Python sees it.

Usage: read-back.py URL QUEUE. The message with the type `end` ends it.
"""
import base64
import json
import math
import sys

from kombu import Connection


def plain(value):
    """A value that JSON holds without loss: what it has no word for is an object with one key."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {'$bytes': base64.b64encode(bytes(value)).decode()}
    if isinstance(value, int):
        return value if abs(value) < 2**53 else {'$int': str(value)}
    if isinstance(value, float):
        if not math.isfinite(value):
            return {'$float': str(value)}
        return {'$int': str(int(value))} if value.is_integer() and abs(value) >= 2**53 else value
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {'$dict': [[plain(key), plain(item)] for key, item in value.items()]}
    return {'$other': repr(value)}


with Connection(sys.argv[1]) as connection:
    channel = connection.default_channel
    is_open = True

    def read(message):
        global is_open
        if message.properties.get('type') == 'end':
            is_open = False
            return
        body = message.body
        raw = body.tobytes() if isinstance(body, memoryview) else body
        text = raw if isinstance(raw, bytes) else raw.encode('utf-8', 'surrogatepass')
        line = {'headers': plain(message.headers), 'properties': plain(dict(message.properties))}
        line['body'] = base64.b64encode(text).decode()
        if message.headers.get('task') is not None and message.headers.get('lang') == 'py':
            line['json'] = plain(json.loads(text))
        print(json.dumps(line))

    channel.basic_consume(sys.argv[2], no_ack=True, callback=read)
    while is_open:
        connection.drain_events()
