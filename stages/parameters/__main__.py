"""Resolve the catalogue and params.yaml, and check them.

python -m stages.parameters            check params.yaml and write data/settings.json, which jobs read
python -m stages.parameters --show KEY the resolved value at a dotted key, such as systems.linear
python -m stages.parameters --schema   write stages/catalogue/schema.json, for editors
"""

import json
import sys

from ..config import settings
from ..runtime.errors import UserError
from . import whole


def main(arguments: list[str]) -> None:
    try:
        if not arguments:
            changed = whole.write(whole.load())
            print(f"params.yaml has no faults; {settings.FILE} is {'written' if changed else 'up to date'}")
        elif len(arguments) == 2 and arguments[0] == "--show":
            print(json.dumps(settings.dig(whole.load(), arguments[1]), indent=1, ensure_ascii=False))
        elif arguments == ["--schema"]:
            from . import schema

            schema.write()
        else:
            raise UserError(f"{' '.join(arguments)}: unknown; give nothing, --show KEY or --schema")
    except UserError as mistake:
        sys.exit(f"error: {mistake}")


if __name__ == "__main__":
    main(sys.argv[1:])
