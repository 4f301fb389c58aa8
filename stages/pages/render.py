"""The templates of the pages: markup is in ``templates/``, what it shows is computed in the modules beside this one."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parent / "templates"


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(template: str, **shown) -> str:
    """A template filled in; every text is escaped.

    Raises
    ------
    jinja2.UndefinedError
        The template shows a name that is not in ``shown``.
    """
    return _environment().get_template(template).render(shown)
