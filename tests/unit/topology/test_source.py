"""Names and paths that cannot be read end in one mistake that says what to do."""

import os
from pathlib import Path

import pytest

from mep_neuro.errors import TopologyError
from mep_neuro.topology.library import library_names, library_path
from mep_neuro.topology.reader import read_spec
from mep_neuro.topology.source import MAX_BYTES


def mistake(source: str | Path) -> str:
    with pytest.raises(TopologyError) as caught:
        read_spec(source)
    assert len(caught.value.mistakes) == 1
    return caught.value.mistakes[0]


def test_a_missing_file_names_the_library() -> None:
    listed = f"(library: {', '.join(library_names())})"
    assert mistake("xorr") == f"xorr: file: does not exist; did you mean 'xor'? {listed}"
    assert mistake("digits_mpl.yaml").endswith(f"did you mean 'digits_mlp'? {listed}")
    found = mistake("/none/q.yaml")
    assert found == (
        f"/none/q.yaml: file: does not exist; check the path, or name one of the library {listed}"
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\x7fELF\x00\x01", "file: is a binary file, not YAML; give a topology file"),
        (b"name: n\nx: \xff\n", "file: is not UTF-8 (byte 0xff on line 2); save it as UTF-8"),
        ("name: n".encode("utf-16"), "file: is not UTF-8 but UTF-16; save it as UTF-8"),
        (b"", "file: is empty; write a network, or copy one of the library"),
        (b"#" * (MAX_BYTES + 1), f"file: has more than {MAX_BYTES} bytes; describe the network by fewer"),
    ],
)
def test_content_that_is_no_text(content: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_bytes(content)
    assert mistake(path).startswith(f"{path}: {expected}")


def test_a_folder(tmp_path: Path) -> None:
    assert mistake(tmp_path) == f"{tmp_path}: file: is a folder; give a file in it"


def test_a_device_without_end() -> None:
    assert mistake("/dev/zero").startswith(f"/dev/zero: file: has more than {MAX_BYTES} bytes")


def test_paths_that_the_system_refuses(tmp_path: Path) -> None:
    assert "cannot be read (File name too long); check the path and its permissions" in mistake("a" * 5000)
    assert "file: cannot be read (embedded null byte)" in mistake("a\0b")
    loop = tmp_path / "loop"
    os.symlink(loop, loop)
    assert "file: cannot be read (Too many levels of symbolic links)" in mistake(loop)


def test_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + library_path("xor").read_bytes())
    assert read_spec(path) == read_spec("xor")


def test_an_unknown_library_name() -> None:
    with pytest.raises(KeyError, match="nope"):
        library_path("nope")
