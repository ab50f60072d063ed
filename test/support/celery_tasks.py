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
    'traceparent', 'tracestate',
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


@app.task(name='tasks.fail_with')
def fail_with(*args):
    raise ValueError(*args)


@app.task(name='tasks.progress', bind=True)
def progress(self, steps):
    for step in range(1, steps + 1):
        self.update_state(state='PROGRESS', meta={'step': step, 'of': steps})
    return steps


@app.task(name='tasks.retry_once', bind=True, max_retries=1)
def retry_once(self):
    if self.request.retries == 0:
        raise self.retry(countdown=0, exc=ValueError('once more'))
    return self.request.retries


@app.task(name='tasks.not_a_number')
def not_a_number():
    return {'nan': float('nan'), 'up': float('inf'), 'down': float('-inf'), 'text': '"NaN" \\ Infinity'}


@app.task(name='tasks.spawn', bind=True)
def spawn(self, x):
    """Starts another task, whose result is a child of this one's."""
    add.apply_async((x, 1), queue=self.request.delivery_info['routing_key'])
    return x
