"""Tasks with every kind of parameter and annotation."""
from __future__ import annotations

import datetime
import enum
from typing import Any, Dict, List, Literal, Mapping, NewType, Optional, Sequence, Tuple, TypedDict, Union

from celery import Celery, shared_task

app = Celery('shop')
print('what a module prints is no part of the type')

UserId = NewType('UserId', int)


class Color(str, enum.Enum):
    RED = 'red'
    BLUE = 'blue'


class Line(TypedDict):
    sku: str
    count: int


class Extra(TypedDict, total=False):
    note: str


class Opaque:
    pass


@app.task(name='shop.add')
def add(x: int, y: float = 1.5) -> float:
    """Adds. */ Not the end.

    More.
    """
    return x + y


@app.task(name='shop.bound', bind=True)
def bound(self, user: UserId) -> None:
    pass


@shared_task(name='shop.shared')
def shared(text: str, *rest: bool, flag: bool = False) -> List[str]:
    pass


@app.task(name='shop.required')
def required(*, year: int, format: Literal['pdf', 'csv'] = 'pdf') -> str:
    pass


@app.task(name='shop.anything')
def anything(first, second=None, *args, **kwargs):
    pass


@app.task(name='shop.others')
def others(*, name: str, **options: int) -> Any:
    pass


@app.task(name='shop.shapes')
def shapes(
    lists: Sequence[Optional[int]],
    pairs: Tuple[int, str],
    many: Tuple[int, ...],
    table: Dict[str, List[float]],
    mapping: Mapping,
    either: Union[int, str, None],
    color: Color,
    line: Line,
    extra: Extra,
    when: datetime.datetime,
    opaque: Opaque,
    nested: list[dict[str, int | None]],
) -> Optional[bool]:
    pass


@app.task(name='shop.unresolved')
def unresolved(a: Missing, b: int) -> str:  # noqa: F821
    pass


class Report(app.Task):
    name = 'shop.report'

    def run(self, function: int, default: str = 'x') -> dict:
        pass


app.register_task(Report())


@app.task(name="shop.odd 'name'\n\u202e")
def odd():
    pass


@app.task(name='shop.words')
def words(
    abstract: None = None,
    asserts: None = None,
    case: None = None,
    catch: None = None,
    const: None = None,
    debugger: None = None,
    default: None = None,
    delete: None = None,
    do: None = None,
    enum: None = None,
    export: None = None,
    extends: None = None,
    false: None = None,
    function: None = None,
    implements: None = None,
    infer: None = None,
    instanceof: None = None,
    interface: None = None,
    keyof: None = None,
    let: None = None,
    new: None = None,
    null: None = None,
    package: None = None,
    private: None = None,
    protected: None = None,
    public: None = None,
    readonly: None = None,
    static: None = None,
    super: None = None,
    switch: None = None,
    this: None = None,
    throw: None = None,
    true: None = None,
    typeof: None = None,
    unique: None = None,
    var: None = None,
    void: None = None,
    of: None = None,
    object: None = None,
):
    pass
