"""The reference of the settings is what the models say; anything else is noticed."""

from pathlib import Path

import pytest

from tools.configuration_reference import main


def test_the_reference_is_what_the_models_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0, capsys.readouterr().out


def test_a_file_that_is_absent_or_edited_by_hand_is_named_and_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([], folder=tmp_path) == 1
    assert (
        capsys.readouterr().out.count("is not what the models say; run tools/configuration_reference.py --write") == 3
    )
    assert main(["--write"], folder=tmp_path / "new") == 0
    assert main([], folder=tmp_path / "new") == 0
    page = tmp_path / "new" / "configuration.md"
    page.write_text(page.read_text().replace("Settings", "Sittings"))
    capsys.readouterr()
    assert main([], folder=tmp_path / "new") == 1
    assert "configuration.md is not" in capsys.readouterr().out
    assert main(["--write"], folder=tmp_path / "new") == 0
    assert "written: configuration.md" in capsys.readouterr().out
    assert main(["--write"], folder=tmp_path / "new") == 0
    assert "nothing, all is up to date" in capsys.readouterr().out
