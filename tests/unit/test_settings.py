from __future__ import annotations

from pathlib import Path

import pytest

from spikecheck.errors import SpikecheckError
from spikecheck.settings import Settings


def written(folder: Path, text: str, name: str = "pyproject.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_limits_and_reasons_are_read(tmp_path: Path) -> None:
    path = written(
        tmp_path, '[tool.spikecheck.SPK203]\npatience = 20\n[tool.spikecheck.ignore]\n"SPK203:gate" = "closed here"\n'
    )
    settings = Settings.load(tmp_path)
    assert settings.limits == {"SPK203": {"patience": 20}}
    assert settings.ignore == {"SPK203:gate": "closed here"}
    assert settings.source == path


def test_the_nearest_file_above_counts(tmp_path: Path) -> None:
    written(tmp_path, "[tool.spikecheck.SPK203]\npatience = 1\n")
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert Settings.load(inner).limits == {"SPK203": {"patience": 1}}
    written(tmp_path / "a", "[tool.other]\n")
    assert Settings.load(inner) == Settings(source=tmp_path / "a" / "pyproject.toml")


def test_without_a_file_there_are_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_file", lambda _: False)
    assert Settings.load(tmp_path) == Settings()


def test_the_environment_names_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "[tool.spikecheck.SPK101]\nshare = 0.5\n", "other.toml")
    monkeypatch.setenv("SPIKECHECK_CONFIG", str(path))
    assert Settings.load().limits == {"SPK101": {"share": 0.5}}
    monkeypatch.setenv("SPIKECHECK_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(SpikecheckError, match=r"SPIKECHECK_CONFIG=.*none\.toml: there is no such file"):
        Settings.load()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tool.spikecheck", ["cannot be read"]),
        ('[tool.spikecheck]\nignore = ["SPK2"]', ["ignore is a table of reasons", "SPK203:gate"]),
        ('[tool.spikecheck]\nignore = "SPK2"', ["ignore is a table of reasons"]),
        ("[tool.spikecheck]\nevery = 3", ["every is not known", "check ids"]),
        ("[tool.spikecheck.SPK20]\nlimit = 3", ["SPK20 is not known"]),
        ("[tool.spikecheck]\nSPK203 = 3", ["SPK203", "table"]),
        ('[tool.spikecheck.ignore]\n"SPK203" = ""', ["SPK203", "needs a reason"]),
        ('[tool.spikecheck.ignore]\n"SPK203" = true', ["SPK203", "needs a reason"]),
        ("[tool]\nspikecheck = 3", ["tool.spikecheck", "table"]),
    ],
)
def test_what_is_not_understood_is_said_with_the_file(tmp_path: Path, text: str, words: list[str]) -> None:
    path = written(tmp_path, text)
    with pytest.raises(SpikecheckError) as caught:
        Settings.load(tmp_path)
    assert not [word for word in (str(path), *words) if word not in str(caught.value)], str(caught.value)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpikecheckError, match="cannot be read"):
        Settings.load(tmp_path)
