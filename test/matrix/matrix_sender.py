"""Makes the calls that it reads as JSON from standard input with the real Celery, and prints when it made each, or how
that failed."""
import json
import re
import sys
import time
import traceback
from datetime import datetime

from celery import Celery, chain, chord, chunks, group
from celery.canvas import xmap, xstarmap

given = json.load(sys.stdin)
app = Celery('sender', broker=given['broker'], backend=given['backend'])
app.conf.update(task_default_queue=given['queue'], **given.get('settings', {}))


def snake_case(name):
    return re.sub('[A-Z]', lambda letter: '_' + letter.group().lower(), name)


def expand(value):
    if isinstance(value, dict):
        if list(value) == ['$date']:
            return datetime.fromisoformat(value['$date'].replace('Z', '+00:00'))
        return {key: expand(item) for key, item in value.items()}
    return [expand(item) for item in value] if isinstance(value, list) else value


LINKS = ('link', 'link_error')


def options_of(given):
    options = {snake_case(name): expand(value) for name, value in given.get('options', {}).items()}
    for name in LINKS:
        if name in options:
            options[name] = [canvas_of(item) for item in options[name]]
    return options


def canvas_of(node):
    """A signature of what the JSON describes; see calls.ts."""
    options = options_of(node)
    if 'chain' in node:
        made = chain(*map(canvas_of, node['chain']))
    elif 'group' in node:
        made = group(*map(canvas_of, node['group']))
    elif 'chord' in node:
        made = chord([canvas_of(item) for item in node['chord']], canvas_of(node['body']))
    elif 'map' in node:
        made = xmap(canvas_of(node['map']), node['it'])
    elif 'starmap' in node:
        made = xstarmap(canvas_of(node['starmap']), node['it'])
    elif 'chunks' in node:
        made = chunks(canvas_of(node['chunks']), node['it'], node['size'])
    else:
        made = app.signature(node['task'], args=tuple(node.get('args', ())), kwargs=node.get('kwargs', {}),
                             immutable=node.get('immutable', False))
    for name in LINKS:
        for item in options.pop(name, []):
            getattr(made, name)(item)
    return made.set(**options) if options else made


def make(call):
    if 'canvas' in call:
        canvas_of(call['canvas']).apply_async(tuple(call.get('args', ())), call.get('kwargs', {}), **options_of(call))
    else:
        app.send_task(call['task'], tuple(call.get('args', ())), call.get('kwargs', {}), **options_of(call))


sent = []
for call in given['calls']:
    at = time.time()
    try:
        make(call)
        sent.append({'at': at})
    except Exception:
        sent.append({'at': at, 'error': traceback.format_exc()})
print(json.dumps(sent))
