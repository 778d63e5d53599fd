"""The table of results."""

from pathlib import Path

from tests.faults.report import Row, Table


class TestTable:
    def test_counts_over_runs_when_it_is_kept_in_a_file(self, tmp_path: Path) -> None:
        file = tmp_path / "faults.json"
        for _ in range(2):
            Table(file).add(Row("kills", rounds=10, acknowledged=500, lost=1, said=["lost: a field"]))

        whole = Table(file).rows["kills"]
        assert (whole.rounds, whole.acknowledged, whole.lost) == (20, 1_000, 2)
        assert "| kills | yes | 20 | 1000 | 2 | 0 | 0 | 0 | 0 |" in file.with_suffix(".md").read_text()

    def test_says_loudly_what_did_not_run(self) -> None:
        table = Table()
        table.add(Row("disk full", "a small file system needs root"))

        assert "**NOT RUN HERE:**\n\n- disk full: a small file system needs root" in table.markdown()

    def test_is_clean_only_when_nothing_was_broken(self) -> None:
        assert Row("kills", rounds=3).is_clean
        assert not any(
            Row("kills", **{kind: 1}).is_clean for kind in ("lost", "doubled", "stuck", "unequal", "leaked")
        )
