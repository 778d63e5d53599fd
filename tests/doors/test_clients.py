"""The published clients can be driven: Node.js is there, and what the lock file names."""

import subprocess

from tests.doors import clients


class TestClients:
    def test_both_are_installed_as_the_lock_file_names_them(self) -> None:
        home = clients.installed()
        told = subprocess.run(
            [
                clients.NODE,
                "-p",
                "['@nozbe/watermelondb', 'rxdb'].map(n => require(n + '/package.json').version).join()",
            ],
            cwd=home,
            capture_output=True,
            text=True,
            check=True,
        )
        assert told.stdout.strip() == "0.28.0,17.6.0"
