"""Templates and static files are found in a checkout and in an installed wheel."""

import subprocess
import sys
import zipfile
from pathlib import Path

from gateway.files import STATIC, TEMPLATES

ROOT = Path(__file__).parent.parent


def test_a_checkout_has_its_files_beside_the_package():
    assert TEMPLATES == ROOT / "templates"
    assert STATIC == ROOT / "static"
    assert (TEMPLATES / "gateway.toml.j2").is_file()


def test_a_wheel_carries_its_files_inside_the_package(tmp_path: Path):
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")

    ask = "from gateway.files import TEMPLATES; print(TEMPLATES / 'gateway.toml.j2')"
    asked = subprocess.run(
        [sys.executable, "-c", ask], cwd=tmp_path / "installed", check=True, capture_output=True, text=True, timeout=60
    )

    found = Path(asked.stdout.strip())
    assert found == tmp_path / "installed" / "gateway" / "_templates" / "gateway.toml.j2"
    assert found.is_file()
