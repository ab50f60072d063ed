/**
 * Prints, as JSON, what a module's tasks take and give: a program for the Python that has the module. What the
 * module itself prints goes to the standard error. Source of the names: Celery, `celery/app/base.py`, `tasks`.
 */
export const SIGNATURES_PROGRAM = `
import sys
out, sys.stdout = sys.stdout, sys.stderr
import collections.abc, datetime, decimal, enum, importlib, inspect, json, types, typing, uuid

TEXTS = (datetime.datetime, datetime.date, datetime.time, uuid.UUID, decimal.Decimal)
LISTS = (list, set, frozenset, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection,
         collections.abc.Set, collections.abc.MutableSequence, collections.abc.MutableSet)
DICTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
UNIONS = (typing.Union, getattr(types, 'UnionType', typing.Union))

def literals(values):
    plain = [v for v in values if v is None or isinstance(v, (bool, int, str))]
    return {'literal': plain} if len(plain) == len(values) else 'unknown'

def typed_dict(hint, depth):
    fields = typing.get_type_hints(hint)
    required = getattr(hint, '__required_keys__', fields)
    return {'object': [{'name': n, 'type': shape(t, depth), 'isOptional': n not in required} for n, t in fields.items()]}

def shape(hint, depth=0):
    """What JSON makes of a value with this annotation."""
    if depth > 20: return 'unknown'
    depth += 1
    if hint is None or hint is type(None): return 'null'
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if type(hint).__name__ == 'TypeAliasType': return shape(hint.__value__, depth)
    if hasattr(hint, '__supertype__'): return shape(hint.__supertype__, depth)
    if hasattr(hint, '__metadata__'): return shape(args[0], depth)
    if type(hint).__name__ in ('Required', 'NotRequired') or getattr(origin, '_name', None) in ('Required', 'NotRequired'):
        return shape(args[0], depth)
    if origin in UNIONS: return {'union': [shape(a, depth) for a in args]}
    if origin is typing.Literal: return literals([a.value if isinstance(a, enum.Enum) else a for a in args])
    known = origin or hint
    if known is tuple:
        if not args: return {'list': 'unknown'}
        if args[-1] is Ellipsis: return {'list': shape(args[0], depth)}
        return {'tuple': [] if args == ((),) else [shape(a, depth) for a in args]}
    if known in LISTS: return {'list': shape(args[0], depth) if args else 'unknown'}
    if known in DICTS: return {'dict': shape(args[1], depth) if len(args) > 1 else 'unknown'}
    if not isinstance(known, type): return 'unknown'
    if typing.is_typeddict(known) if hasattr(typing, 'is_typeddict') else hasattr(known, '__total__'):
        return typed_dict(known, depth)
    if issubclass(known, enum.Enum):
        return literals([m.value for m in known]) if issubclass(known, (str, int)) else 'unknown'
    if issubclass(known, bool): return 'boolean'
    if issubclass(known, (int, float)): return 'number'
    if issubclass(known, str) or issubclass(known, TEXTS): return 'string'
    return 'unknown'

def safe_shape(hint):
    try:
        return 'unknown' if hint is inspect.Parameter.empty else shape(hint)
    except Exception:
        return 'unknown'

def hints_of(run):
    function = inspect.unwrap(run)
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception:
        # One that cannot be resolved spoils all: each is tried by itself.
        return {name: resolved(hint, function) for name, hint in getattr(function, '__annotations__', {}).items()}

def resolved(hint, function):
    try:
        return eval(hint, function.__globals__) if isinstance(hint, str) else hint
    except Exception:
        return typing.Any

def described(task):
    run, hints = task.run, hints_of(task.run)
    signature = inspect.signature(run)
    result = hints.get('return', signature.return_annotation)
    parameters = [
        {'name': p.name, 'kind': p.kind.name, 'type': safe_shape(hints.get(p.name, p.annotation)),
         'isOptional': p.default is not p.empty}
        for p in signature.parameters.values()
    ]
    about = inspect.cleandoc(getattr(run, '__doc__', None) or '').split('\\n')[0]
    return {'name': task.name, 'parameters': parameters, 'result': safe_shape(result), 'about': about}

def main():
    sys.path.insert(0, '')
    importlib.import_module(sys.argv[1])
    import celery
    from celery import _state
    found = {}
    for app in [*_state._get_active_apps(), celery.current_app]:
        app.loader.import_default_modules()
        app.finalize(auto=True)
        for name, task in app.tasks.items():
            if not name.startswith('celery.'): found[name] = described(task)
    return {'tasks': [found[name] for name in sorted(found)]}

try:
    answer = main()
except BaseException as error:
    answer = {'error': '%s: %s' % (type(error).__name__, error)}
out.write(json.dumps(answer))
`
