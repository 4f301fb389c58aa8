"""The file of a job's models: array by array, it is what the library writes, in memory that does not grow."""

import json
import tracemalloc

import numpy as np
import pytest
from safetensors.numpy import save_file

from stages.stores import tensor_file
from stages.stores.scratch import Unit
from stages.training import units


def every_kind() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    found = {
        f"{name}{i}": (10 * rng.normal(size=(3, i))).astype(kind)
        for i, kind in enumerate(tensor_file.TYPES.values())
        for name in ("a/é", "b", "10/x", "9/x")
    }
    return found | {"scalar": np.array(3, np.float32), "turned": np.arange(6.0).reshape(2, 3).T}


def test_what_is_written_array_by_array_is_what_the_library_writes(tmp_path):
    arrays, texts = every_kind(), {"units": json.dumps({"ä\n\x7f": "é\t\x01"}) + 'ü\n"\\'}
    save_file({n: np.asarray(a, order="C") for n, a in arrays.items()}, tmp_path / "library", metadata=texts)
    file = tensor_file.Writer(tmp_path / "own", {name: (arrays, name) for name in arrays}, {"units": "?" * 31})
    for name in reversed(arrays):
        file.put(name)
    with pytest.raises(ValueError, match="longer or shorter"):
        file.close({"units": ""})
    file = tensor_file.Writer(tmp_path / "own", {name: (arrays, name) for name in arrays}, texts)
    for name in reversed(arrays):
        file.put(name)
    file.close(texts)
    assert (tmp_path / "own").read_bytes() == (tmp_path / "library").read_bytes()


def test_what_is_read_array_by_array_is_what_was_written(tmp_path):
    arrays = {name: np.asarray(values, order="C") for name, values in every_kind().items()}
    save_file(arrays, tmp_path / "file", metadata={"a": "b"})
    found = tensor_file.Tensors(tmp_path / "file")
    assert found.metadata == {"a": "b"} and set(found) == set(arrays) and len(found) == len(arrays)
    for name, values in arrays.items():
        np.testing.assert_array_equal(found[name], values, strict=True)


def made(folder, count: int):
    def work(fold, seed, unit):
        rng = np.random.default_rng(fold)
        model = {f"model/w{i}": rng.normal(size=(256, 256)) for i in range(4)}
        return model | {"outputs": np.full((2, 2), fold, np.float32)}, {"n": fold}

    return units.run("t", [(fold, 1) for fold in range(1, count + 1)], lambda *_: {}, work, folder)


def test_units_stay_in_the_store_and_are_written_as_from_memory(tmp_path):
    found = made(tmp_path / "scratch", 3)
    assert [float(arrays["outputs"][0, 0]) for arrays, _ in found.values()] == [1, 2, 3]
    assert all(notes["measured"]["peak memory, MB"]["process"] > 10 for _, notes in found.values())
    units.write(tmp_path / "a", found, "model/", {"task": "x"})
    whole = {unit: ({n: np.array(a) for n, a in arrays.items()}, {"n": unit[0]}) for unit, (arrays, _) in found.items()}
    units.write(tmp_path / "b", whole, "model/", {"task": "x"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    arrays, notes = units.read(tmp_path / "a", 2, 1)
    assert notes == {"n": 2} and sorted(arrays) == ["w0", "w1", "w2", "w3"]
    np.testing.assert_array_equal(arrays["w3"], whole[2, 1][0]["model/w3"])


def test_memory_does_not_grow_with_the_units(tmp_path):
    """Units of 2 MiB in arrays of 512 KiB: twelve hold what two hold."""
    peaks = {}
    for count in (2, 12):
        tracemalloc.start()
        units.write(tmp_path / "file", made(tmp_path / str(count), count), "model/")
        peaks[count] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[12] < 1.25 * peaks[2]


def test_a_damaged_unit_is_made_again(tmp_path):
    unit = Unit("t", {}, tmp_path)
    assert unit.stored() is None
    unit.save({"x": np.arange(3)}, {"n": 1})
    arrays, notes = unit.stored()
    assert arrays["x"].tolist() == [0, 1, 2] and notes == {"n": 1}
    with pytest.raises(ValueError, match="read-only"):
        arrays["x"][0] = 1
    content = bytearray(unit.path.read_bytes())
    for place in (-1, 3, 12, content.index(b'"x"') + 1):
        broken = bytearray(content)
        broken[place] ^= 1
        unit.path.write_bytes(broken)
        assert unit.stored() is None and not unit.path.exists()
    unit.path.write_bytes(content[:-1])
    assert unit.stored() is None
