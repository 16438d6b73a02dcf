from __future__ import annotations

import sys
from pathlib import Path

import pytest

from spikecheck import rootdir
from spikecheck.errors import SpikecheckError
from spikecheck.settings import Settings, SiteLimits, cache_folder


def written(folder: Path, text: str, name: str = "pyproject.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_limits_and_reasons_are_read(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '[tool.spikecheck.SPK203]\nmin_forward_passes = 20\n[tool.spikecheck.ignore]\n"SPK203:gate" = "closed here"\n',
    )
    settings = Settings.load(tmp_path)
    assert settings.limits == {"SPK203": {"min_forward_passes": 20}}
    assert settings.ignore == {"SPK203:gate": "closed here"}
    assert settings.source == path


SITES = """
[tool.spikecheck.ignore]
SPK1 = "counts, on purpose"

[[tool.spikecheck.sites]]
match = ["encoder.*", "gate"]
SPK204.max_active_fraction = 0.95
ignore = { SPK205 = "latency code" }

[[tool.spikecheck.sites]]
match = "encoder.0"
LAB001.patience = 3
"""


def test_settings_of_some_sites(tmp_path: Path) -> None:
    written(tmp_path, SITES)
    settings = Settings.load(tmp_path)
    assert settings.sites == (
        SiteLimits(("encoder.*", "gate"), {"SPK204": {"max_active_fraction": 0.95}}),
        SiteLimits(("encoder.0",), {"LAB001": {"patience": 3}}),
    )
    assert settings.ignore == {
        "SPK1": "counts, on purpose",
        "SPK205:encoder.*": "latency code",
        "SPK205:gate": "latency code",
    }


# tomli, which reads the file on Python 3.10, gives up earlier than tomllib.
DEEP_KEY = "ignore 'a' needs a reason" if sys.version_info >= (3, 11) else "nested too deeply"


@pytest.mark.parametrize(
    ("name", "covered"),
    [("encoder.0", True), ("encoder.0.weight", True), ("encoder", False), ("gate", True), ("Gate", False)],
)
def test_names_and_patterns(name: str, covered: bool) -> None:
    assert SiteLimits(("encoder.*", "gate"), {}).covers(name) is covered


def test_settings_can_be_given_as_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, "[tool.spikecheck.SPK203]\nmin_forward_passes = 1\n")
    monkeypatch.setattr(rootdir, "folder", None)
    monkeypatch.chdir(tmp_path)
    settings = Settings(limits={"SPK203": {"min_forward_passes": 3}})
    assert Settings.of(settings) is settings
    assert Settings.of({"SPK203": {"min_forward_passes": 3}}) == settings
    assert Settings.of(None).limits == {"SPK203": {"min_forward_passes": 1}}
    assert Settings.of({}) == Settings()
    with pytest.raises(SpikecheckError, match=r"there is no setting ignor .*, did you mean ignore"):
        Settings.of({"ignor": 3})


def test_the_nearest_file_above_counts(tmp_path: Path) -> None:
    written(tmp_path, "[tool.spikecheck.SPK203]\nmin_forward_passes = 1\n")
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert Settings.load(inner).limits == {"SPK203": {"min_forward_passes": 1}}
    written(tmp_path / "a", "[tool.other]\n")
    assert Settings.load(inner) == Settings(source=tmp_path / "a" / "pyproject.toml")


def test_a_rootdir_goes_before_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    written(tmp_path / "work", "[tool.spikecheck.SPK203]\nmin_forward_passes = 1\n")
    written(tmp_path, "[tool.spikecheck.SPK203]\nmin_forward_passes = 2\n")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(rootdir, "folder", None)
    assert Settings.load().limits == {"SPK203": {"min_forward_passes": 1}}
    monkeypatch.setattr(rootdir, "folder", tmp_path)
    assert Settings.load().limits == {"SPK203": {"min_forward_passes": 2}}


def test_without_a_file_there_are_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_file", lambda _: False)
    assert Settings.load(tmp_path) == Settings()


def test_the_environment_names_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "[tool.spikecheck.SPK101]\nshare = 0.5\n", "other.toml")
    monkeypatch.setenv("SPIKECHECK_CONFIG", str(path))
    assert Settings.load().limits == {"SPK101": {"share": 0.5}}
    monkeypatch.setenv("SPIKECHECK_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(SpikecheckError, match=r"SPIKECHECK_CONFIG=.*none\.toml: the file does not exist"):
        Settings.load()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tool.spikecheck", ["cannot be read"]),
        ('[tool.spikecheck]\nignore = ["SPK2"]', ["ignore must be a table of reasons", 'ignore = { SPK203 = "']),
        ('[tool.spikecheck]\nignore = "SPK2"', ["ignore must be a table of reasons"]),
        ("[tool.spikecheck]\nevery = 3", ["there is no setting every", "ids of checks"]),
        (
            "[tool.spikecheck]\nignor = 3",
            ["no setting ignor (the keys are ignore, sites", "did you mean ignore?"],
        ),
        ("[tool.spikecheck]\nsite = 3", ["there is no setting site", "did you mean sites?"]),
        ("[tool.spikecheck]\nSPK203 = 3", ["SPK203", "table"]),
        ("[tool.spikecheck]\nLAB001 = 3", ["LAB001", "table"]),
        ("[tool.spikecheck]\nsites = 3", ["sites must be a list of tables", "[[tool.spikecheck.sites]]"]),
        ("[tool.spikecheck.sites]\nmatch = 'a'", ["sites must be a list of tables", "[[tool.spikecheck.sites]]"]),
        ("[[tool.spikecheck.sites]]\nSPK203.min_forward_passes = 3", ["sites, table 1", 'match = "encoder.*"']),
        ("[[tool.spikecheck.sites]]\nmatch = ''", ["sites, table 1", 'match = "encoder.*"']),
        ("[[tool.spikecheck.sites]]\nmatch = ['a', 3]", ["sites, table 1", 'match = "encoder.*"']),
        ("[[tool.spikecheck.sites]]\nmatch = []", ["sites, table 1", 'match = "encoder.*"']),
        (
            "[[tool.spikecheck.sites]]\nmatch = 'a'\nmatsh = 'b'",
            ["there is no setting matsh", "did you mean match?"],
        ),
        ("[[tool.spikecheck.sites]]\nmatch = 'a'\nignore = ['SPK2']", ["table 1: ignore must be a table of reasons"]),
        ("[[tool.spikecheck.sites]]\nmatch = 'a'\nignore = {SPK2 = ''}", ["table 1: ignore 'SPK2' needs a reason"]),
        (
            "[[tool.spikecheck.sites]]\nmatch = 'a'\nignore = {'SPK2:b' = 'x'}",
            ["table 1: ignore 'SPK2:b'", "match names the sites"],
        ),
        ('[tool.spikecheck.ignore]\n"SPK203" = ""', ["SPK203", "needs a reason"]),
        ('[tool.spikecheck.ignore]\n"SPK203" = true', ["SPK203", "needs a reason"]),
        ("[tool]\nspikecheck = 3", ["tool.spikecheck", "table"]),
        ("[tool.spikecheck]\nx = " + "[" * 5000 + "]" * 5000, ["nested too deeply"]),
        ("[tool.spikecheck]\nx = " + "{a=" * 5000 + "1" + "}" * 5000, ["nested too deeply"]),
        (
            "tool.spikecheck.ignore." + "a." * 1000 + "b = 1",
            [DEEP_KEY],
        ),
        ("tool.spikecheck.SPK203 = " + "9" * 5000, ["cannot be read"]),
        ('[tool.spikecheck]\n"\\u001b]0;x\\u0007\\u202e" = 1', [r"no setting \x1b]0;x\x07\u202e"]),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
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


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="XDG is the rule of other systems")
def test_the_cache_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SPIKECHECK_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "spikecheck"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert cache_folder() == Path.home() / ".cache" / "spikecheck"


def test_a_variable_of_our_own_names_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SPIKECHECK_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.setenv("SPIKECHECK_CACHE", "~/digits")
    assert cache_folder() == Path.home() / "digits"
