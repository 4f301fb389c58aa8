"""The catalogue with params.yaml over it: what wins, how entries are completed, and how mistakes are explained."""

import json
import re
import time
from pathlib import Path

import pytest
import yaml

from stages.config import settings
from stages.parameters import files, models, schema, whole
from stages.parameters.resolve import CATALOGUE, TAGS, origin, resolved
from stages.runtime.errors import UserError
from tests.unit.catalogue import PARAMS, write_params

ROOT = Path(__file__).parents[2]
SHIPPED = (ROOT / "params.yaml").read_text()
EDITED = yaml.safe_load(SHIPPED) != yaml.safe_load((ROOT / "tests/shipped.yaml").read_text())
as_shipped = pytest.mark.skipif(EDITED, reason="params.yaml is edited here")
SMALL = {
    "recipes.yaml": """
        defaults: {systems: {paper: '', table: '', row: ''}, studies: {parts: 1, changes: {}}}
        recipes: {probe: {hidden: 128, layers: [all]}, adapt: {lstm: 256, batch: 64}}""",
    "paper.yaml": """
        paper: someone2020
        systems:
          first: {recipe: probe, table: '1', row: A, hidden: 64}
          second: {like: first, table: '1', row: B}
        adapt: {one: {}}
        studies: {shown: {systems: [first], changes: {first: {hidden: 2}}}}""",
}


def write(folder: Path, texts: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text("\n".join(line.removeprefix(" " * 8) for line in text.splitlines()))
    return folder


@pytest.fixture
def lay(tmp_path):
    """What a params.yaml gives over the small catalogue, with more files in that."""

    def lay(own: str, **more: str) -> dict:
        folder = write(tmp_path / "catalogue", SMALL | {f"{name}.yaml": text for name, text in more.items()})
        write(tmp_path, {"params.yaml": own})
        return resolved(tmp_path / "params.yaml", folder)

    return lay


def shipped_with(tmp_path, more: str) -> dict:
    """The shipped settings with more of one section, after every check."""
    return whole.load(write_params(tmp_path, **settings.parse(more, "more")))


def test_sections_and_tags_are_those_of_the_models():
    assert tuple(models.Params.model_fields) == files.SECTIONS
    assert set(files.NAMED) == {n for n, f in models.Params.model_fields.items() if "dict[" in str(f.annotation)}
    made = models.Params.model_json_schema()["properties"]
    tagged = {n: made[n]["additionalProperties"]["discriminator"]["propertyName"] for n in TAGS}
    assert tagged == TAGS


def test_what_ships_passes_every_check_whatever_is_active(tmp_path):
    studies = list(resolved(PARAMS)["studies"])
    assert shipped_with(tmp_path, f"active: {studies}")["active"] == studies


def test_recipes_are_complete(tmp_path):
    others = ("hubert", "ctc", "distil", "bert", "distil-text", "adapt", "cluster", "retrain")
    rows = {name: {"recipe": name} for name in settings.parse((CATALOGUE / "recipes.yaml").read_text(), "")["recipes"]}
    rows = {name: row for name, row in rows.items() if name not in others}
    rows["external"]["file"] = "mine.csv"
    assert len(rows) == 12
    assert shipped_with(tmp_path, yaml.safe_dump({"systems": rows}))["systems"].keys() >= rows.keys()


def test_every_system_stands_in_the_file_of_its_paper():
    for name, row in resolved(PARAMS)["systems"].items():
        file = origin("systems", name, params=PARAMS)
        assert Path(file).stem == (row["paper"] or "controls") and name.startswith(row["paper"])
        assert bool(row["table"]) == bool(row["row"])


def test_files_are_short_and_resolving_takes_no_time():
    for path in CATALOGUE.glob("*.yaml"):
        lines = path.read_text().splitlines()
        assert len(lines) <= 400 and max(map(len, lines)) <= 120, path.name
        assert lines[0] == "# yaml-language-server: $schema=schema.json"
    assert EDITED or len(SHIPPED.splitlines()) <= 150
    from stages.parameters import resolve

    resolve._made.cache_clear()
    start = time.perf_counter()
    resolved(PARAMS)
    assert time.perf_counter() - start < 1.0  # 0.04 s; much more on a busy machine


@as_shipped
def test_the_examples_in_the_comments_work(tmp_path):
    text = re.sub(r"^  # ( *(?:[a-z-]+:|- ).*)$", r"  \1", SHIPPED, flags=re.M)
    (tmp_path / "params.yaml").write_text(text.replace("active: [default]", "active: [default, mine]"))
    values = whole.load(str(tmp_path / "params.yaml"))
    assert values["active"] == ["default", "mine"]
    assert values["systems"]["my-probe"]["hidden"] == 64 and values["corpora"]["my-corpus"]["audio"] == "corpora/mine"


def test_a_corpus_a_row_and_a_study_of_ones_own_take_a_few_lines(tmp_path):
    values = shipped_with(
        tmp_path,
        """
        corpora: {mine: {reader: table, table: mine.csv, audio: wav}}
        systems: {wide: {recipe: probe, hidden: 512}}
        studies: {own: {corpus: mine, protocol: speakers, speech: whisper-tiny, seeds: [1], systems: [linear, wide]}}
        active: [own]
        """,
    )
    assert values["systems"]["wide"]["hidden"] == 512 and values["systems"]["wide"]["patience"] == 4
    assert values["studies"]["own"]["substitute"] is True and values["studies"]["own"]["trials"] == {}


def test_params_lie_over_the_catalogue_key_by_key(lay):
    got = lay("{systems: {first: {layers: ['0']}}, studies: {shown: {changes: {first: {batch: 8}}}}}")
    assert got["systems"]["first"]["hidden"] == 64 and got["systems"]["first"]["layers"] == ["0"]
    assert got["studies"]["shown"]["changes"] == {"first": {"hidden": 2, "batch": 8}}
    assert got["systems"]["second"]["layers"] == ["0"], "what is like a row follows it"


def test_lines_can_be_appended_under_their_whole_names(lay):
    got = lay("active: [shown]\nsystems: {mine: {like: first}}\nsystems.more: {like: mine, hidden: 5}\nactive.x: true")
    assert got["systems"]["more"]["hidden"] == 5 and got["active"] == ["shown", "x"]
    with pytest.raises(UserError, match=r"systems\.mine: is under systems: too"):
        lay("systems: {mine: {like: first}}\nsystems.mine: {like: first}")
    with pytest.raises(UserError, match=r"sytems\.mine: no section of names; did you mean 'systems'\?"):
        lay("sytems.mine: {like: first}")


def test_null_takes_away_what_lies_beneath(lay):
    assert "second" not in lay("systems: {second: null}")["systems"]
    assert lay("systems: {first: {hidden: null}}")["systems"]["first"]["hidden"] == 128, "the recipe's again"
    assert "hidden" not in lay("systems: {mine: {like: first, hidden: null}}")["systems"]["mine"]
    assert lay("systems:")["systems"].keys() == {"first", "second"}, "a section of comments alone says nothing"
    with pytest.raises(UserError, match=r"systems\.secnod: there is no such entry to remove; did you mean 'second'\?"):
        lay("systems: {secnod: null}")


def test_a_file_gives_its_paper_and_likeness_clears_table_and_row(lay):
    rows = lay("systems: {mine: {like: second}, named: {like: mine, row: C}}")["systems"]
    assert rows["second"] == {"recipe": "probe", "hidden": 64, "layers": ["all"]} | {
        **{"paper": "someone2020", "table": "1", "row": "B", "also": []}
    }
    assert (rows["mine"]["paper"], rows["mine"]["table"], rows["mine"]["row"]) == ("someone2020", "", "")
    assert (rows["named"]["table"], rows["named"]["row"], rows["named"]["hidden"]) == ("", "C", 64)
    assert "like" not in rows["named"]


def test_a_stage_of_the_chain_takes_its_own_values(lay):
    assert lay("adapt: {small: {lstm: 32}}")["adapt"] == {
        "one": {"lstm": 256, "batch": 64},
        "small": {"lstm": 32, "batch": 64},
    }


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ("systems: {mine: {like: frist}}", r"params\.yaml: systems\.mine\.like: there is no 'frist'; .* 'first'\?"),
        ("systems: {a: {like: b}, b: {like: a}}", r"systems\.b\.like: is circular: a like b like a; "),
        ("systems: {first: {like: first}}", r"params\.yaml: systems\.first\.like: is circular: first like first;"),
        ("systems: {a: {like: [first]}}", r"systems\.a\.like: \['first'\] is no name; give one of systems"),
        ("sytems: {a: {}}", r"params\.yaml: sytems: no such section; did you mean 'systems'\?"),
        ("systems: [a]", r"params\.yaml: systems: \['a'\] is no mapping"),
        ("paper: someone2020", r"params\.yaml: paper: no such section"),
        ("[active]", r"params\.yaml: no mapping of sections"),
        ("systems: {a: {}}\ncorpora: {}\nsystems: {b: {}}", r"params\.yaml: systems: is on lines 1 and 3"),
    ],
)
def test_mistakes_name_file_key_and_remedy(lay, own, message):
    with pytest.raises(UserError, match=message):
        lay(own)


def test_two_files_that_define_one_entry_are_both_named(lay):
    with pytest.raises(UserError, match=r"twice\.yaml: systems\.first: is in .*paper\.yaml too"):
        lay("", twice="systems: {first: {recipe: probe}}")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.yaml: no such file"):
        resolved(tmp_path / "none.yaml")
    with pytest.raises(UserError, match=r"empty: no catalogue"):
        resolved(ROOT / "params.yaml", tmp_path / "empty")


def test_every_key_knows_the_file_to_mend(lay, tmp_path):
    lay("systems: {first: {hidden: 3}, mine: {like: first}}")
    where = {"params": tmp_path / "params.yaml", "catalogue": tmp_path / "catalogue"}
    assert origin("systems", "first", "hidden", **where).endswith("params.yaml")
    assert origin("systems", "first", "layers", **where).endswith("paper.yaml")
    assert origin("systems", "mine", "layers", **where).endswith("params.yaml")


def test_what_one_reader_changes_no_other_sees(lay):
    lay("systems: {first: {hidden: 3}}")["systems"]["first"]["layers"].append("x")
    assert lay("systems: {first: {hidden: 3}}")["systems"]["first"]["layers"] == ["all"]


def test_the_schema_is_what_the_models_give():
    assert schema.FILE.read_text() == schema.text(), "run: python -m stages.parameters --schema"


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("systems: {mine: {like: linear, strengths: [1.0]}}", True),
        ("systems: {mine: {recipe: probe, hidden: 64, patience: null}, linear: null}", True),
        ("systems:", True),
        ("defaults: {corpora: {iemocap: {partial: false}}, studies: {parts: 2}}", True),
        ("systems: {mine: {like: linear, strenghts: [1.0]}}", False),
        ("systems: {mine: {recipe: probe, hidden: many}}", False),
        ("systems: {mine: {recipe: linear, patience: 3}}", False),
        ("studies: {mine: {corpsu: planted}}", False),
        ("train: {thread: 2}", False),
        ("sytems: {}", False),
    ],
)
def test_the_schema_refuses_typing_errors_alone(text, fits):
    jsonschema = pytest.importorskip("jsonschema")
    assert jsonschema.Draft202012Validator(json.loads(schema.text())).is_valid(settings.parse(text, "")) is fits


@pytest.mark.parametrize("path", [ROOT / "params.yaml", *sorted(CATALOGUE.glob("*.yaml"))], ids=lambda path: path.name)
def test_the_schema_takes_every_file(path):
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json.loads(schema.FILE.read_text()))
    assert not [error.message for error in validator.iter_errors(settings.parse(path.read_text(), path.name))]
