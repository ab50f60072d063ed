"""Writes celery-<version>.json: what a real Celery makes of each call in calls.json.

    python3 test/golden/make-golden.py

Nothing is sent: the message is taken where Celery has built and serialized it. The clock stands still,
and the names of the process, its reply queue and the tasks are made up. Option names are Celery's in camelCase; {"$date": ...} is a
date, "$repeat:n:text" a long string and "$range:n" the numbers from 0 to n - 1.
"""
import json
import re
from datetime import datetime, timezone
from pathlib import Path
from unittest import mock

import celery
import kombu

HERE = Path(__file__).parent
NOW = datetime(2026, 11, 22, 5, 2, 44, 872000, tzinfo=timezone.utc)
ORIGIN = 'gen1@golden'
TASK_ID = '00000000-0000-4000-8000-000000000001'


class StillCelery(celery.Celery):
    thread_oid = 'golden-reply-queue'

    def now(self):
        return NOW


def expand(value):
    if isinstance(value, dict):
        if list(value) == ['$date']:
            return datetime.fromisoformat(value['$date'].replace('Z', '+00:00'))
        return {key: expand(item) for key, item in value.items()}
    if isinstance(value, list):
        if len(value) == 1 and isinstance(value[0], str) and value[0].startswith('$range:'):
            return list(range(int(value[0].split(':')[1])))
        return [expand(item) for item in value]
    if isinstance(value, str) and value.startswith('$repeat:'):
        _, count, text = value.split(':', 2)
        return text * int(count)
    return value


def snake_case(name):
    return re.sub('[A-Z]', lambda letter: '_' + letter.group().lower(), name)


def message_of(app, call):
    sent = []

    def take(self, body, priority, content_type, content_encoding, headers, properties, routing_key,
             mandatory, immediate, exchange, declare, *rest):
        sent.append({
            'exchange': exchange,
            'routing_key': routing_key,
            'properties': {
                'content_type': content_type,
                'content_encoding': content_encoding,
                'priority': priority,
                # Celery passes on what it was given; AMQP has no such properties, and they are not sent.
                **{name: value for name, value in properties.items() if name not in ('argsrepr', 'kwargsrepr')},
            },
            'headers': headers,
            'body': body,
        })

    options = {'taskId': TASK_ID, **call.get('options', {})}
    with mock.patch.object(kombu.Producer, '_publish', take):
        app.send_task(
            call['name'],
            args=tuple(expand(call.get('args', []))),
            kwargs=expand(call.get('kwargs', {})),
            **{snake_case(name): expand(value) for name, value in options.items()},
        )
    return {'title': call['title'], **sent[0]}


def main():
    app = StillCelery('golden', broker='memory://', set_as_current=False)
    app.conf.update(timezone='UTC', enable_utc=True, task_publish_retry=False)
    calls = json.loads((HERE / 'calls.json').read_text())
    with mock.patch('celery.app.amqp.anon_nodename', lambda: ORIGIN):
        messages = [message_of(app, call) for call in calls]
    golden = {
        'celery': celery.__version__,
        'kombu': kombu.__version__,
        'now': NOW.isoformat(),
        'origin': ORIGIN,
        'taskId': TASK_ID,
        'messages': messages,
    }
    target = HERE / f'celery-{celery.__version__}.json'
    target.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + '\n')
    print(f'{len(messages)} messages in {target.name}')


if __name__ == '__main__':
    main()
