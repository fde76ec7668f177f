"""What is loaded when: importing findalike, and asking for help, stay quick."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ELSEWHERE = {
    "aiobotocore", "boto3", "botocore", "fsspec", "grpc", "milvus_lite", "pymilvus", "ray", "s3fs",
}  # fmt: skip
"""What the extras bring that make a library lie elsewhere, or many machines encode."""
HEAVY = ELSEWHERE | {
    "PIL", "cv2", "fastapi", "huggingface_hub", "lancedb", "matplotlib", "onnx", "onnxruntime", "pandas",
    "pyarrow", "rich", "skimage", "sklearn", "tokenizers", "torch",
}  # fmt: skip


def loaded_after(program: str) -> set[str]:
    """The top-level modules that are loaded once a child process has run this."""
    script = f"{program}\nimport sys; print('\\n' + ' '.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in run.stdout.splitlines()[-1].split()}


def test_importing_findalike_loads_nothing_heavy() -> None:
    assert not loaded_after("import findalike") & (HEAVY | {"numpy", "click"})


def test_help_loads_nothing_heavy() -> None:
    program = "from findalike.cli import main\ntry: main.findalike(['--help'])\nexcept SystemExit: pass"
    assert not loaded_after(program) & (HEAVY | {"numpy"})


def test_a_library_in_a_folder_loads_nothing_of_the_extras(tmp_path: Path) -> None:
    program = (
        "import findalike, numpy\nfrom PIL import Image\n"
        f"Image.effect_noise((64, 64), 90).save({str(tmp_path / 'noise.png')!r})\n"
        f"with findalike.open({str(tmp_path / 'library')!r}) as library:\n"
        f"    assert library.add({str(tmp_path / 'noise.png')!r}).added == 1\n"
        f"    assert library.search({str(tmp_path / 'noise.png')!r}, include_self=True)\n"
        "    library.optimize()\n"
    )
    assert not loaded_after(program) & ELSEWHERE


@pytest.mark.parametrize("module", ["types", "query", "settings", "rank", "encode.catalog"])
def test_values_load_no_library_of_theirs(module: str) -> None:
    assert not loaded_after(f"import findalike.{module}") & (HEAVY - {"PIL"})


def test_every_public_name_is_there() -> None:
    import findalike

    for name in findalike.__all__:
        assert getattr(findalike, name) is not None
    assert set(dir(findalike)) == set(findalike.__all__)
    with pytest.raises(AttributeError, match="no attribute 'opem'"):
        _ = findalike.opem
