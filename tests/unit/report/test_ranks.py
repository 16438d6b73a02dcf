"""The table of ranks shows the one that differs, of however many."""

from __future__ import annotations

from math import nan

from spikecheck.report.ranks import SHOWN_ROWS, RankRow, rank_cells


def row(rank: int, loss: float = 1.0, rate: float | None = 0.1) -> RankRow:
    return RankRow(rank, 50, loss, {"lif1": rate})


def test_few_ranks_are_shown_in_their_order() -> None:
    assert rank_cells([row(0, 0.5), row(1, 2.0, None)]) == [
        ["rank", "updates", "loss", "rate of lif1"],
        ["0", "50", "0.5", "0.1"],
        ["1", "50", "2", "-"],
    ]


def test_of_many_ranks_those_that_differ_are_shown() -> None:
    odd = {700: row(700, loss=1.3), 800: row(800, rate=0.0), 900: row(900, loss=nan)}
    head, *shown, more = rank_cells([odd.get(rank) or row(rank) for rank in range(1024)])
    assert len(shown) == SHOWN_ROWS
    assert [cells[0] for cells in shown][-3:] == ["700", "800", "900"]
    assert more[0].startswith("1,008 more")
    assert len(more) == len(head)
