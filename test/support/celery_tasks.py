"""The tasks of the worker that the tests start."""
import json
import time

from celery import Celery

app = Celery('tasks')
app.conf.accept_content = ['json', 'yaml', 'msgpack']

REQUEST_FIELDS = (
    'id', 'task', 'args', 'kwargs', 'eta', 'expires', 'headers', 'delivery_info', 'argsrepr', 'kwargsrepr', 'origin',
    'root_id', 'parent_id', 'group', 'group_index', 'timelimit', 'reply_to', 'correlation_id', 'shadow',
    'ignore_result', 'retries', 'lang', 'chain', 'chord', 'callbacks', 'errbacks', 'hostname', 'properties',
)


@app.task(name='tasks.add')
def add(x, y):
    return x + y


@app.task(name='tasks.mul')
def mul(x, y):
    return x * y


@app.task(name='tasks.xsum')
def xsum(numbers):
    return sum(numbers)


@app.task(name='tasks.echo')
def echo(*args, **kwargs):
    return {'args': args, 'kwargs': kwargs}


@app.task(name='tasks.spell')
def spell(*args, **kwargs):
    """How Python writes what it was given, whatever JSON has no word for."""
    return repr((args, kwargs))


@app.task(name='tasks.request_info', bind=True)
def request_info(self, *args, **kwargs):
    """What the worker made of the message."""
    fields = {name: getattr(self.request, name, None) for name in REQUEST_FIELDS}
    return json.loads(json.dumps(fields, default=str))


@app.task(name='tasks.fail')
def fail(message='failed'):
    raise ValueError(message)


@app.task(name='tasks.sleep')
def sleep(seconds):
    time.sleep(seconds)
    return seconds
