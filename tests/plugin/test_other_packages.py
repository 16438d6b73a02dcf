"""Checks and spiking libraries of other packages, in fresh processes: used where they are whole, else stepped over."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.plugin.conftest import Runs
from tests.plugin.other_packages import install

pytestmark = pytest.mark.slow

NETWORK = """
    import torch
    from lab_neurons import Clicks
    from torch import nn
    from torch.nn import functional as F

    torch.manual_seed(0)
    torch.set_num_threads(1)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.clicks1, self.gate, self.fc2 = nn.Linear(8, 12), Clicks(), Clicks(), nn.Linear(12, 3)

        def forward(self, x):
            current = self.fc1(x)
            return self.fc2(self.clicks1(current)["spikes"] + self.gate(current)["spikes"]).mean(1)

    x, y = (torch.rand(9, 7, 8) < 0.3).float(), torch.arange(9) % 3

    def run(model):
        optimizer = torch.optim.Adam(model.parameters())
        for _ in range(2):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
"""
SCRIPT = """
    import spikecheck
    from lab_network import Net, run

    monitor = spikecheck.attach(Net())
    run(monitor.model)
    report = monitor.report()
    print(report)
    print([f"{f.check} at {f.site}" for f in report.findings if f.check.startswith("LAB")])
"""


@pytest.fixture
def lab(runs: Runs, tmp_path: Path) -> Runs:
    """A folder from which the lab's package is imported, and a network of its layers."""
    install("lab_checks", tmp_path)
    runs.first_on_path(tmp_path)
    runs.pytester.makepyfile(lab_network=NETWORK, script=SCRIPT)
    return runs


@pytest.fixture
def torn(lab: Runs, tmp_path: Path) -> Runs:
    """The broken package beside it."""
    install("torn_checks", tmp_path)
    return lab


def command(runs: Runs, *words: str) -> pytest.RunResult:
    return runs.pytester.run(sys.executable, "-m", "spikecheck", *words, timeout=120)


def script(runs: Runs, settings: str = "") -> pytest.RunResult:
    (runs.path / "pyproject.toml").write_text(settings, encoding="utf-8")
    return runs.pytester.run(sys.executable, "script.py", timeout=120)


def test_the_check_is_listed_and_explained(lab: Runs) -> None:
    command(lab, "checks").stdout.fnmatch_lines(["SPK509*", "LAB001*sparse-layer*warning*fires too seldom*"])
    explained = command(lab, "explain", "lab001")
    assert explained.ret == 0
    explained.stdout.fnmatch_lines(
        ["*LAB001 sparse-layer*", "*min_rate = 0.9*", "*tool.spikecheck.LAB001*", "*SPK302 chance-plateau*"]
    )
    assert not explained.stderr.lines
    assert command(lab, "explain", "SPK205").ret == 0


def test_its_findings_and_the_layers_of_its_library_are_in_the_report(lab: Runs) -> None:
    result = script(lab)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*lab_neurons · 2 spiking layers*", "*LAB001 sparse-layer*clicks1 fires*"])
    assert "['LAB001 at clicks1', 'LAB001 at gate']" in result.stdout.lines
    result.stderr.fnmatch_lines(["*SpikecheckWarning: LAB001 sparse-layer: clicks1 fires*"])


# What pyproject.toml says, and what is found then.
SETTINGS = {
    "[tool.spikecheck.LAB001]\nmin_rate = 0.001": "[]",
    '[tool.spikecheck.ignore]\nLAB001 = "no chip"': "[]",
    '[tool.spikecheck.ignore]\n"sparse-layer:gate" = "closed here"': "['clicks1']",
    '[[tool.spikecheck.sites]]\nmatch = "ga*"\nLAB001.min_rate = 0.001': "['clicks1']",
    '[[tool.spikecheck.sites]]\nmatch = "clicks?"\nignore = { LAB001 = "no chip" }': "['gate']",
    "[tool.spikecheck.LAB001]\nmin_rats = 0.1": "there is no limit min_rats (it has min_rate), did you mean min_rate?",
    "[tool.spikecheck.LAB002]\nmin_rate = 0.1": "LAB002: no check has this id, did you mean LAB001?",
}
EACH = f"""
    from pathlib import Path

    import spikecheck
    from lab_network import Net, run

    for text in {list(SETTINGS)!r}:
        Path("pyproject.toml").write_text(text)
        try:
            monitor = spikecheck.attach(Net(), on_finding=id)
            run(monitor.model)
            print([f.site.name for f in monitor.report().findings if f.check == "LAB001"])
        except spikecheck.SpikecheckError as error:
            print(error)
"""


def test_it_has_limits_and_is_ignored_as_ours_are(lab: Runs) -> None:
    result = lab.pytester.run(sys.executable, lab.pytester.makepyfile(each=EACH), timeout=120)
    message = result.stdout.lines
    assert len(message) == len(SETTINGS), result.stderr.str()
    assert [
        (text, line) for (text, words), line in zip(SETTINGS.items(), message, strict=True) if words not in line
    ] == []


CAUSE = """
    import spikecheck
    from lab_network import Net, run
    from spikecheck.checks.discovery import discover
    from spikecheck.finding import Expected, Observed, Verdict, Outcome
    from spikecheck.report.model import Report
    from spikecheck.site import Site, SiteKind

    known = discover()
    sparse = known["LAB001"]().finding(
        Site(SiteKind.SPIKES, "clicks1", 1), observed=Observed("", rate=0.1), expected=Expected("")
    )
    print("own", known["SPK302"].explained_by.count("LAB001"))

    from spikecheck.checks.base import Observations
    from spikecheck.checks.judge import Judge

    class Stuck(known["SPK302"]):
        message = "stuck"

        def judge(self, site, readings):
            yield self.finding(site, observed=Observed(""), expected=Expected(""))

    from spikecheck.readings import LossReading, NonFinite, RunReading
    run = RunReading(live=False, update=9, forward_passes=9, backward_passes=9, called_per_time_step=False)
    loss = Site(SiteKind.LOSS, "loss", 9)
    read = LossReading("cross_entropy", 9, 3.0, 3.0, 3.0, 9, 3.0, 0.1, 0.0, 0.1, 20, True, NonFinite(0, 9))
    windows = {w: {"loss": {LossReading: read}} for w in ("first", "recent", "all")}
    verdict = Judge((Stuck(),)).verdict(Stuck(), Observations(run, (loss,), windows))
    report = Report.of([Verdict("LAB001", "sparse-layer", Outcome.FINDINGS, (sparse,)), verdict])
    for cause in report.root_causes:
        print(cause.finding.check, [f.check for f in cause.consequences])
"""


def test_it_is_the_root_cause_of_what_it_explains(lab: Runs) -> None:
    result = lab.pytester.run(sys.executable, lab.pytester.makepyfile(cause=CAUSE), timeout=120)
    assert result.stdout.lines == ["own 0", "LAB001 ['SPK302']"], result.stderr.str()


SUITE = """
    import pytest
    import spikecheck as sc
    from lab_network import F, Net, run, x, y

    def test_found(spikecheck):
        run(spikecheck.attach(Net()).model)

    @pytest.mark.spikecheck(ignore=["LAB001"])
    def test_ignored(spikecheck):
        run(spikecheck.attach(Net()).model)

    def test_asserted():
        with pytest.raises(sc.UnhealthyError, match="LAB001 sparse-layer"):
            sc.assert_healthy(Net(), (x, y), F.cross_entropy)
        sc.assert_healthy(Net(), (x, y), F.cross_entropy, settings={"LAB001": {"min_rate": 0.001}})

    def test_spikes_of_its_library():
        sc.assert_no_dead_layers(Net(), x, layer="clicks*")
"""


@pytest.mark.full
def test_the_plugin_and_the_assertions_judge_by_it(lab: Runs) -> None:
    result = lab(test_lab=SUITE)
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*test_lab.py::test_found: LAB001 sparse-layer at *"])


def test_a_checkpoint_is_judged_beside_it(torn: Runs) -> None:
    torn.pytester.makepyfile(save="import torch; torch.save({'fc1.weight': torch.rand(9, 9)}, 'net.pt')")
    torn.pytester.run(sys.executable, "save.py")
    result = command(torn, "diagnose", "net.pt")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["*the weights look sound*", "*incomplete: the check TRN001 of torn-checks 2.0 is not used*"]
    )


STORED = """
    import spikecheck
    import torch
    from lab_network import Net, run

    settings = {"LAB001": {"min_rate": 0.8}, "sites": [{"match": "gate", "LAB001": {"min_rate": 0.7}}]}
    monitor = spikecheck.attach(Net(), on_finding=id, settings=settings)
    run(monitor.model)
    torch.save({}, "run.pt")
    spikecheck.save_evidence("run.pt", monitor)
"""


def test_the_evidence_of_a_run_is_judged_where_the_package_is_not_installed(lab: Runs, tmp_path: Path) -> None:
    lab.pytester.run(sys.executable, lab.pytester.makepyfile(kept=STORED), timeout=120)
    here = command(lab, "diagnose", "run.pt")
    here.stdout.fnmatch_lines(["*evidence of 2*", "*LAB001 sparse-layer*"])
    lab.first_on_path(tmp_path / "nowhere")
    elsewhere = command(lab, "diagnose", "run.pt")
    text = " ".join(elsewhere.stdout.str().split())
    assert "of 2 updates" in text
    assert "incomplete: findings and limits of LAB001 are not shown: install the package that has these checks" in text


# -- beside a broken package

BROKEN = {
    "TRN001": "ModuleNotFoundError: No module named 'torn_dependency'*gone.py, line 3*",
    "TRN002": "its id LAB001 or slug clashing-id is that of LAB001*",
    "TRN003": "its id TRN003 or slug dead-layer is that of SPK203*",
    "TRN004": "its id 'SPK299' is not of the form LAB001*",
    "TRN005": "it lacks slug and severity and since and sites and message*",
    "TRN006": "it is no subclass of spikecheck.plugin.Check*",
    "TRN007": "its field patience gives no reason*",
    "TRN009": "it would explain what explains it: TRN009 is explained by TRN009*",
    "TRN010": "SystemExit: 3*",
    "TRN011": "its severity is no Severity*",
    "TRN012": "it would explain what explains it*LAB001*",
    "TRN013": "its default min_rate = 0.9 contradicts max_rate = 0.1*",
}


@pytest.mark.parametrize("words", [("checks",), ("explain", "LAB001"), ("explain", "SPK203")], ids=" ".join)
def test_the_commands_work_and_say_what_is_left_out(torn: Runs, words: tuple[str, ...]) -> None:
    result = command(torn, *words)
    assert result.ret == 0
    result.stdout.fnmatch_lines([f"*{words[-1]}*" if len(words) > 1 else "*LAB001*"])
    message = [
        f"spikecheck: the check {id_} of torn-checks 2.0 is not used: {why}. Update that package, or uninstall it"
        for id_, why in BROKEN.items()
    ]
    result.stderr.fnmatch_lines(message, consecutive=True)


def test_a_check_that_cannot_be_loaded_is_not_explained(torn: Runs) -> None:
    result = command(torn, "explain", "TRN001")
    assert result.ret == 2
    result.stderr.fnmatch_lines(
        ["*the check TRN001 of torn-checks 2.0 is not used*", "*no check has the id, the name or the symptom 'TRN001'*"]
    )


SILENT = """
[tool.spikecheck.TRN001]
patience = 3
[tool.spikecheck.ignore]
TRN002 = "not for us"
gone = "the slug of one of them"
[[tool.spikecheck.sites]]
match = "gate"
TRN003.most = 3
"""


def test_attach_goes_on_and_the_report_says_what_is_left_out(torn: Runs) -> None:
    result = script(torn, SILENT)
    assert result.ret == 0, result.stderr.str()
    text = " ".join(result.stdout.str().split())
    assert "2 spiking layers" in text
    assert "['LAB001 at clicks1', 'LAB001 at gate']" in text
    for id_ in BROKEN:
        assert f"incomplete: the check {id_} of torn-checks 2.0 is not used: " in text
    assert "incomplete: TRN008 raising, which raised ZeroDivisionError: division by zero (" in text
    assert "incomplete: the framework torch of torn-checks 2.0 is not used: AttributeError: " in text
    assert "the framework math of torn-checks 2.0 is not used: it is no subclass" in text
    assert "the framework json of torn-checks 2.0 is not used: ModuleNotFoundError" in text
    assert "torn_library" not in text, "nobody imported that library"
    result.stderr.fnmatch_lines(["*script.py:4: SpikecheckWarning: the check TRN001 of torn-checks 2.0 is not used*"])


@pytest.mark.full
def test_a_suite_runs_beside_it_and_the_summary_says_what_is_left_out(torn: Runs) -> None:
    result = torn("-W", "error", test_lab=SUITE)
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*= spikecheck =*", "the check TRN001 of torn-checks 2.0 is not used: *"])
