"""The documents are built as web pages: every module, every guide, no link that leads nowhere, nothing from elsewhere."""

import re
import runpy
from pathlib import Path
from urllib.parse import unquote

import pytest
from documents import PAGES, ROOT

DOCS = runpy.run_path(str(ROOT / "docs" / "build.py"))


def test_a_page_stands_where_its_file_stood() -> None:
    address = DOCS["address"]
    assert address("README.md") == "index.html"
    assert address("docs/how-to/README.md") == "docs/how-to/index.html"
    assert address("docs/ledger.md") == "docs/ledger.html"


def test_a_link_to_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nothing\.md"):
        DOCS["write_page"](tmp_path, "docs/x.md", "# X\n\n[y](nothing.md)\n", ["docs/x.md"])


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what the modules import
def test_the_site_is_whole_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="every module is described, and one needs Ray: pip install ray")
    DOCS["build"](tmp_path)
    built = {str(p.relative_to(tmp_path)): p.read_text() for p in tmp_path.rglob("*.html")}
    for page in PAGES:
        assert DOCS["address"](str(page.relative_to(ROOT))) in built
    assert "reference/trialogue/agent/study/study.html" in built
    assert "class" in built["reference/trialogue.html"]
    assert "Study" in built["reference/trialogue.html"]
    for name, html in built.items():
        loaded = re.findall(r'<(?:script|link|img|iframe)[^>]*(?:src|href)="(?!data:)([^"]+)"', html)
        assert not [link for link in loaded if "//" in link], name
        for link in re.findall(
            r'href="([^"#:]+)(?:#[^"]*)?"', re.sub(r"<script.*?</script>", "", html, flags=re.S)
        ):
            assert (tmp_path / name).parent.joinpath(unquote(link)).exists(), f"{name} links to {link}"
