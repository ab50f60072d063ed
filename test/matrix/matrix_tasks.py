"""The tasks of the matrix, in a worker that writes down what its request object holds for every task it starts."""
import json
import os
import time

from celery import Celery
from celery.signals import task_prerun

app = Celery('matrix')
app.conf.accept_content = ['json', 'yaml', 'msgpack']
app.conf.task_default_queue = os.environ['MATRIX_QUEUE']
RECORDS = os.environ['MATRIX_RECORDS']


def write(kind, task, request):
    record = {'kind': kind, 'task': task, 'at': time.time(), 'request': request}
    with open(RECORDS, 'a', encoding='utf-8') as records:
        records.write(json.dumps(record, default=str) + '\n')


@task_prerun.connect
def record_request(task=None, **_):
    # The values that the context got from the message, and none of its defaults.
    write('task', task.name, {name: value for name, value in vars(task.request).items() if name != '_children'})


def numbers(values):
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from numbers(value)
        elif isinstance(value, (int, float)):
            yield value


@app.task(name='matrix.sum')
def total(*args, **kwargs):
    return sum(numbers(args))


@app.task(name='matrix.fail')
def fail(*args, **kwargs):
    raise ValueError('failed')


@app.task(name='matrix.called_with_id')
def called_with_id(failed_id, *, tag=None):
    """An errback of one argument: it is sent as a task."""


@app.task(name='matrix.called_inline')
def called_inline(request, error, traceback, tag=None):
    """An errback of three arguments: the worker calls it on the spot, and no task is started."""
    write('errback', 'matrix.called_inline', {'of': request.id, 'error': repr(error), 'tag': tag})


@app.task(name='matrix.end')
def end(mark):
    """Runs when all that was sent before it has run."""
    write('end', mark, {})
