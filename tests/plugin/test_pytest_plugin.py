"""The plugin in fresh pytest processes: fixture, marker, options, summary, and beside other plugins."""

from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec
from textwrap import dedent

import pytest

from tests.house.tree import ROOT
from tests.plugin.conftest import Runs

pytestmark = pytest.mark.slow

SUITE = """
    import pytest
    from network import Net, run

    def test_healthy(spikecheck):
        monitor = spikecheck.attach(Net())
        assert monitor.watching
        run(monitor.model)

    def test_dead(spikecheck):
        run(spikecheck.attach(Net(threshold=100.0)).model)

    @pytest.mark.spikecheck(ignore=["SPK203", "SPK205", "SPK4", "SPK3"])
    def test_ignored(spikecheck):
        run(spikecheck.attach(Net(threshold=100.0)).model)

    def test_asserted(spikecheck):
        import network
        spikecheck.assert_healthy(Net(threshold=100.0), (network.x, network.y), network.F.cross_entropy)

    def test_of_its_own(spikecheck):
        run(spikecheck.attach(Net()).model)
        assert 1 == 2

    def test_unrelated():
        pass
"""
NOT_USED = """
    import sys

    def test_nothing_heavy_is_loaded():
        assert "spikecheck.pytest_plugin" in sys.modules
        assert not {"torch", "numpy", "rich", "click"} & set(sys.modules)
        ours = {name for name in sys.modules if name.startswith("spikecheck")}
        assert ours == {"spikecheck", "spikecheck.pytest_plugin", "spikecheck.rootdir"}
"""


def test_what_it_says_of_a_suite(runs: Runs) -> None:
    result = runs("--spikecheck-report=reports", test_suite=SUITE)
    result.assert_outcomes(passed=3, failed=3)
    result.stdout.fnmatch_lines(
        [
            "*_ test_dead _*",
            "*finding* of severity warning or above",
            "spikecheck · 3 updates · torch · 1 spiking layer*",
            "*ROOT CAUSE   SPK203 dead-layer  *lif1*",
            "*model.lif1.threshold = *",
            "*_ test_asserted _*",
            "E *UnhealthyError: * of severity warning or above",
            "E *ROOT CAUSE   SPK203 dead-layer*",
            "*_ test_of_its_own _*",
            "E *assert 1 == 2",
            "*- spikecheck report at the time of the failure -*",
            "*no warning, no error; 3 updates are too few to tell*",
            "*= spikecheck =*",
            "5 tests made a report, 3 failed",
            "test_suite.py::test_dead: SPK203 dead-layer at lif1*; report: *test_suite-py-test_dead-*.html",
            "test_suite.py::test_asserted: SPK203 dead-layer at lif1*; report: *html",
            "test_suite.py::test_of_its_own: no root cause; report: *html",
        ]
    )
    assert "assertions/health.py" not in result.stdout.str(), "frames of ours are hidden from the traceback"
    pages = {
        page.name.rpartition("-")[0]: page.read_text(encoding="utf-8") for page in runs.path.glob("reports/*.html")
    }
    assert set(pages) == {f"test_suite-py-test_{name}" for name in ("dead", "asserted", "of_its_own")}
    assert all(page.startswith("<!doctype html>") and "src=" not in page for page in pages.values())
    dead = pages["test_suite-py-test_dead"]
    for message in (">test_suite.py::test_dead<", ">1 root cause<", "<b>SPK203</b> dead-layer", "<b>Firing rates</b>"):
        assert message in dead


def test_without_the_extra_a_run_that_asks_for_pages_says_so_at_once(runs: Runs) -> None:
    hidden = "import sys\nsys.modules['jinja2'] = None\n"
    result = runs("--spikecheck-report=reports", test_suite=SUITE, conftest=hidden)
    result.stderr.fnmatch_lines(["ERROR: an HTML report needs jinja2*pip install 'spikecheck[[]html[]]'"])
    assert result.ret == pytest.ExitCode.USAGE_ERROR


LEVELS = """
    import pytest
    from network import Net, run, nn

    def test_dead(spikecheck):
        run(spikecheck.attach(Net(threshold=100.0), ignore="SPK3").model)

    @pytest.mark.spikecheck(fail_on="note", ignore="SPK")
    def test_marker(spikecheck):
        run(spikecheck.attach(Net(threshold=100.0)).model)

    @pytest.mark.spikecheck("SPK203")
    def test_misspelt_marker(spikecheck):
        pass

    def test_never_called(spikecheck):
        spikecheck.attach(Net())

    def test_detached_after_a_failure(spikecheck):
        from spikecheck.probe.watchers import watchers
        assert watchers.all() == []

    @pytest.mark.xfail(reason="known")
    def test_expected_to_be_dead(spikecheck):
        run(spikecheck.attach(Net(threshold=100.0)).model)

    @pytest.mark.parametrize("threshold", [0.5, 100.0])
    def test_each(spikecheck, threshold):
        run(spikecheck.attach(Net(threshold)).model)
"""


@pytest.mark.full
def test_levels_and_settings_come_from_the_options_and_from_pyproject(runs: Runs) -> None:
    (runs.path / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\nspikecheck_fail_on = "error"\nspikecheck_report = "pages"\n'
        'addopts = ["--strict-markers", "-W", "error::spikecheck.SpikecheckWarning"]\n'
        '[tool.spikecheck.ignore]\n"SPK203:lif1" = "on purpose"\n"SPK205" = "on purpose"\n"SPK4" = "on purpose"\n'
        '"SPK3" = "on purpose"\n',
        encoding="utf-8",
    )
    result = runs("-rA", test_levels=LEVELS)
    result.stdout.fnmatch_lines_random(
        [
            "PASSED test_levels.py::test_dead",
            "PASSED test_levels.py::test_marker",
            "PASSED test_levels.py::test_detached_after_a_failure",
            "PASSED test_levels.py::test_each?100.0?",
            "ERROR test_levels.py::test_misspelt_marker*",
            "*the marker takes ignore=?...? and fail_on='warning'",
            "FAILED test_levels.py::test_never_called*",
            "*nothing was checked: no spiking layer was observed",
            "*the model was not called after attach()*",
            "XPASS test_levels.py::test_expected_to_be_dead - known",
        ]
    )
    assert list(runs.path.glob("pages/test_levels-py-test_never_called-*.html"))


@pytest.mark.full
def test_accepted_findings_do_not_fail_their_test(runs: Runs) -> None:
    assert runs("--spikecheck-baseline=accepted.json", test_suite=SUITE).ret == 1, "there is no file yet"
    written = runs("--spikecheck-baseline=accepted.json", "--spikecheck-update", test_suite=SUITE)
    written.stdout.fnmatch_lines(["*accepted finding* of * test* written to *accepted.json"])
    result = runs("--spikecheck-baseline=accepted.json", "-rA", "-k", "dead or healthy", test_suite=SUITE)
    result.stdout.fnmatch_lines_random(["PASSED test_suite.py::test_dead", "PASSED test_suite.py::test_healthy"])
    nothing = runs("--spikecheck-baseline=other.json", "--spikecheck-update", "-k", "unrelated", test_suite=SUITE)
    nothing.stdout.fnmatch_lines(["*other.json was not written: no test with the fixture spikecheck was run"])


ELSEWHERE = """
    import os
    import subprocess
    import sys

    import pytest
    import spikecheck as sc
    import torch
    from network import F, Net, run, x, y
    from spikecheck.cli import main

    @pytest.fixture(autouse=True)
    def elsewhere(tmp_path, monkeypatch):
        (tmp_path / "pyproject.toml").write_text("[tool.spikecheck.SPK203]\\npatiense = 3\\n")
        monkeypatch.chdir(tmp_path)

    def test_attach():
        with sc.attach(Net(threshold=100.0), on_finding=id) as monitor:
            run(monitor.model)
            assert any("closed here" in line for v in monitor.report().verdicts for line in v.ignored)

    def test_fixture(spikecheck):
        run(spikecheck.attach(Net(threshold=100.0)).model)

    def test_assertions(tmp_path):
        sc.assert_healthy(Net(threshold=100.0), (x, y), F.cross_entropy)
        torch.save({"fc1.weight": torch.full((4, 4), float("nan"))}, tmp_path / "net.pt")
        sc.assert_checkpoint_healthy(tmp_path / "net.pt")
        assert main(["diagnose", str(tmp_path / "net.pt")]) == 0

    def test_a_process_of_its_own_reads_where_it_stands():
        code = "import spikecheck, network; spikecheck.attach(network.Net())"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert "there is no limit patiense" in done.stderr
"""


@pytest.mark.parametrize("arguments", [(), pytest.param(("-n", "2"), marks=pytest.mark.full)], ids=["", "xdist"])
def test_the_settings_are_those_of_the_rootdir_wherever_a_test_works(runs: Runs, arguments: tuple[str, ...]) -> None:
    quiet = "\n".join(f'{what} = "closed here"' for what in ("SPK2", "SPK3", "SPK4", "SPK5"))
    (runs.path / "pyproject.toml").write_text(
        f"[tool.pytest.ini_options]\n[tool.spikecheck.ignore]\n{quiet}\n", encoding="utf-8"
    )
    runs.patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(runs.path)]))
    inner = runs.pytester.mkdir("inner")
    (inner / "test_elsewhere.py").write_text(dedent(ELSEWHERE), encoding="utf-8")
    runs.patch.chdir(inner)  # pytest is started below its rootdir as well
    runs(*arguments).assert_outcomes(passed=4)


RARE = """
    import pytest
    import network
    from network import Net, run

    def test_asked_for_within(request):
        run(request.getfixturevalue("spikecheck").attach(Net(threshold=100.0)).model)

    def test_a_report_that_cannot_be_made(spikecheck, monkeypatch):
        monitor = spikecheck.attach(Net())
        monkeypatch.setattr(type(monitor), "report", lambda self: 1 / 0)
        assert 1 == 2

    def test_every_public_name_is_there(spikecheck):
        from importlib import import_module
        package = import_module("spikecheck")
        for name in set(package.__all__) - {"attach"}:
            assert getattr(spikecheck, name) is getattr(package, name)
        with pytest.raises(AttributeError, match="spikecheck has no 'torch'"):
            spikecheck.torch

    @pytest.mark.spikecheck(fail_on="fatal")
    def test_no_such_level(spikecheck):
        pass

    def test_another_librarys_error_with_a_report():
        error = ValueError("not ours")
        error.report = type("Report", (), {"root_causes": ()})()
        raise error

    def test_the_run_goes_on():
        pass
"""


def test_what_goes_wrong_in_one_test_does_not_end_the_run(runs: Runs) -> None:
    (runs.path / "reports").touch()
    result = runs("--spikecheck-report=reports", test_rare=RARE)
    result.assert_outcomes(passed=2, failed=3, errors=1)
    result.stdout.fnmatch_lines_random(
        [
            "*ROOT CAUSE   SPK203 dead-layer  *lif1*",
            "E *ZeroDivisionError: division by zero",
            "*@pytest.mark.spikecheck: fail_on='fatal': must be one of note, warning, error",
            "1 test made a report, 1 failed",
            "test_rare.py::test_asked_for_within: SPK203*; no report: cannot create *reports (*",
        ]
    )


@pytest.mark.full
def test_a_folder_in_the_settings_counts_from_the_rootdir(runs: Runs) -> None:
    (runs.path / "pytest.ini").write_text("[pytest]\nspikecheck_report = pages\n", encoding="utf-8")
    inner = runs.pytester.mkdir("inner")
    (inner / "test_suite.py").write_text(dedent(SUITE), encoding="utf-8")
    runs.patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(runs.path)]))
    runs.patch.chdir(inner)
    runs("-k", "dead").assert_outcomes(failed=1)
    assert len(list(runs.path.glob("pages/*.html"))) == 1
    runs("-k", "dead", "--spikecheck-report=here").assert_outcomes(failed=1)
    assert len(list(inner.glob("here/*.html"))) == 1


def test_a_failing_level_of_the_command_line_and_a_wrong_setting(runs: Runs) -> None:
    (runs.path / "pytest.ini").write_text("[pytest]\nspikecheck_fail_on = fatal\n", encoding="utf-8")
    result = runs(test_nothing="def test_nothing(): pass")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*spikecheck_fail_on = 'fatal': must be one of note, warning, error"])


def test_a_run_that_does_not_use_it_loads_nothing_and_says_nothing(runs: Runs) -> None:
    result = runs("--strict-markers", test_light=NOT_USED)
    result.assert_outcomes(passed=1)
    assert "= spikecheck =" not in result.stdout.str()


def test_it_can_be_switched_off(runs: Runs) -> None:
    result = runs(
        "-p", "no:spikecheck", test_off="import sys\ndef test_off(): assert 'spikecheck' not in sys.modules\n"
    )
    result.assert_outcomes(passed=1)


PLAIN = """
    import pytest
    from network import Net, x
    from spikecheck import UnhealthyError, assert_no_dead_layers

    def test_plain():
        assert_no_dead_layers(Net(), x)
        with pytest.raises(UnhealthyError):
            assert_no_dead_layers(Net(threshold=100.0), x)
"""


def test_the_assertions_work_with_the_plugin_off(runs: Runs) -> None:
    runs("-p", "no:spikecheck", test_plain=PLAIN).assert_outcomes(passed=1)


def test_the_assertions_work_without_pytest(runs: Runs) -> None:
    script = runs.pytester.makepyfile(
        script="""
        import sys
        from network import Net, x
        from spikecheck import assert_no_dead_layers

        assert "pytest" not in sys.modules
        assert_no_dead_layers(Net(), x)
        assert_no_dead_layers(Net(threshold=100.0), x)
        """
    )
    result = runs.pytester.run(sys.executable, script)
    assert result.ret == 1
    result.stderr.fnmatch_lines(
        ["*UnhealthyError: a layer is silent", "  where     lif1", "  expected  at least one spike"]
    )


@pytest.mark.full
@pytest.mark.skipif(find_spec("xdist") is None, reason="pip install pytest-xdist")
def test_with_xdist_the_summary_and_the_pages_come_from_the_workers(runs: Runs) -> None:
    result = runs("-n", "2", "--spikecheck-report=reports", test_suite=SUITE)
    result.assert_outcomes(passed=3, failed=3)
    result.stdout.fnmatch_lines(["*= spikecheck =*", "5 tests made a report, 3 failed"])
    result.stdout.fnmatch_lines_random(["test_suite.py::test_dead: SPK203 dead-layer at lif1*; report: *html"])
    assert len(list(runs.path.glob("reports/*.html"))) == 3


@pytest.mark.full
@pytest.mark.skipif(find_spec("pytest_randomly") is None, reason="pip install pytest-randomly")
def test_with_randomly_each_test_gets_its_own_models(runs: Runs) -> None:
    result = runs("--randomly-seed", "1", test_suite=SUITE)
    result.assert_outcomes(passed=3, failed=3)
    result.stdout.fnmatch_lines(["Using --randomly-seed*", "5 tests made a report, 3 failed"])


BASELINE = """
    import torch
    from network import F, Net, x, y
    from spikecheck import assert_matches_baseline

    def test_baseline():
        torch.manual_seed(3)
        assert_matches_baseline(Net(), (x, y), F.cross_entropy, "baselines/net.json", tolerance=0.05)
"""


@pytest.mark.full
def test_a_baseline_is_written_on_request_and_compared_otherwise(runs: Runs) -> None:
    missing = runs(test_baseline=BASELINE)
    missing.assert_outcomes(failed=1)
    missing.stdout.fnmatch_lines(["*the baseline file does not exist", "*pytest --spikecheck-update*"])
    written = runs("--spikecheck-update", test_baseline=BASELINE)
    written.assert_outcomes(passed=1)
    written.stdout.fnmatch_lines(["*baseline written: *net.json"])
    held = json.loads((runs.path / "baselines/net.json").read_text(encoding="utf-8"))
    assert list(held["rate"]) == ["lif1"]
    runs(test_baseline=BASELINE).assert_outcomes(passed=1)
