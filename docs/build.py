"""Build the documents as web pages: the guides, and a reference of every module from its docstrings.

``python docs/build.py [FOLDER]`` (``make docs``: ``build/docs``). The pages need no server and load nothing from elsewhere.
A warning, and a link that leads nowhere, is an error. Knows pdoc; not what the documents say.
"""

import posixpath
import re
import shutil
import sys
import tomllib
import warnings
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

import pdoc.doc
import pdoc.render
import pdoc.render_helpers

ROOT = Path(__file__).resolve().parents[1]
GUIDES = [
    "README.md",
    "docs/how-to/README.md",
    *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")) if path.name != "log.md"),
    "CONTRIBUTING.md",
    "CHANGELOG.md",
]
"""Pages that stand in the list beside every page, in its order."""
CARDS = "gallery-cards.html"
"""The page of the gallery, which ``trialogue targets --page`` writes too."""
PAGE = """{% extends "frame.html.jinja2" %}
{% block title %}{{ title }} · trialogue{% endblock %}
{% block style %}{{ super() | safe }}<style>
main.pdoc table {border-collapse: collapse; margin: 1rem 0} main.pdoc th, main.pdoc td {
border: 1px solid var(--nav-hover, #ddd); padding: .3rem .6rem; text-align: left; vertical-align: top}
main.pdoc pre {overflow-x: auto} main.pdoc img {max-width: 100%}</style>{% endblock %}
{% block nav %}<h2>trialogue</h2><ul>{% for name, link in nav %}<li><a href="{{ link }}">{{ name }}</a></li>{% endfor %}</ul>
{% endblock %}
{% block content %}<main class="pdoc">{{ body | safe }}</main>{% endblock %}
"""


def build(target: Path) -> None:
    """Write all pages into ``target``, which is emptied first. Raises ValueError for a link that leads nowhere."""
    shutil.rmtree(target, ignore_errors=True)
    modules = documented()
    with warnings.catch_warnings():  # pdoc's, not those of what the modules import
        warnings.simplefilter("error")
        write_reference(modules, target / "reference")
    (target / "docs").mkdir(parents=True, exist_ok=True)
    (target / "docs" / CARDS).write_text(import_module("trialogue.api.reports.gallery").whole_page())
    pages = sorted({*GUIDES, *(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))})
    pages += ["benchmarks/README.md", "examples/README.md"]
    for page in pages:
        text = (ROOT / page).read_text()
        more = f"\n[All cards, with pictures]({CARDS})\n" if page == "docs/gallery.md" else ""
        write_page(target, page, text + more, pages)
    write_page(target, "docs/decisions/README.md", decisions(), pages)
    write_page(target, "reference/README.md", contents(modules), pages)


def documented() -> dict[str, pdoc.doc.Module]:
    """Return every module that ships, by its name; the public names stand in the first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    names: list[str] = []
    for package in settings["tool"]["setuptools"]["packages"]:
        folder = ROOT.joinpath(*package.split(".")[1:])
        inside = () if package == "trialogue" else sorted(folder.glob("*.py"))
        names += [package, *(f"{package}.{path.stem}" for path in inside if not path.stem.startswith("__"))]
    loaded: dict[str, Any] = {name: import_module(name) for name in names}
    for name in loaded["trialogue"].__all__:  # pdoc does not ask a module's __getattr__
        setattr(loaded["trialogue"], name, getattr(loaded["trialogue"], name))
    return {name: pdoc.doc.Module(module) for name, module in loaded.items()}


def write_reference(modules: dict[str, pdoc.doc.Module], folder: Path) -> None:
    """Write a page for each module, and the index that their search box reads."""
    pdoc.render.configure(docformat="markdown", show_source=False)
    for name, module in modules.items():
        path = folder / f"{name.replace('.', '/')}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pdoc.render.html_module(module, all_modules=modules))
    (folder / "search.js").write_text(pdoc.render.search_index(modules))


def contents(modules: dict[str, pdoc.doc.Module]) -> str:
    """Return the reference's table of contents as Markdown: a section for each folder, a line for each module."""
    lines = ["# Reference", "", "[`trialogue`](trialogue.html): the public names, all of them in one page."]
    for name, module in modules.items():
        if name == "trialogue":
            continue
        about = escape(" ".join(module.docstring.split("\n\n")[0].split()), quote=False)
        link = f"[`{name.removeprefix('trialogue.')}`]({name.replace('.', '/')}.html)"
        is_folder = hasattr(module.obj, "__path__")
        lines.append(f"\n## {link}\n\n{about}\n" if is_folder else f"- {link}: {about}")
    return "\n".join(lines)


def decisions() -> str:
    """Return the list of decisions as Markdown."""
    lines = ["# Decisions", ""]
    for path in sorted((ROOT / "docs" / "decisions").glob("*.md")):
        title = path.read_text().split("\n", 1)[0].lstrip("# ")
        lines.append(f"- [{title}]({path.name})")
    return "\n".join(lines)


def write_page(target: Path, page: str, text: str, pages: list[str]) -> None:
    """Write one Markdown file as a page at its own place, with links to pages instead of files."""
    place = address(page)
    title = text.split("\n", 1)[0].lstrip("# ")
    nav = [(name_of(guide), relative(address(guide), place)) for guide in [*GUIDES, "reference/README.md"]]
    html = str(pdoc.render_helpers.to_html(text))
    body = re.sub(r'(href|src)="([^"#:]+)(#[^"]*)?"', lambda m: linked(target, page, pages, m), html)
    rendered = pdoc.render.env.from_string(PAGE).render(title=title, nav=nav, body=body)
    (target / place).parent.mkdir(parents=True, exist_ok=True)
    (target / place).write_text(rendered)


def linked(target: Path, page: str, pages: list[str], found: re.Match[str]) -> str:
    """Return one link of a page as it stands in the built one; what is no page is copied."""
    attribute, link, anchor = found[1], found[2], found[3] or ""
    to = posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
    if to.startswith("reference/") or f"{to}/README.md" == "docs/decisions/README.md":
        return (
            f'{attribute}="{link.rstrip("/")}{"" if to.startswith("reference/") else "/index.html"}{anchor}"'
        )
    to = f"{to}/README.md" if f"{to}/README.md" in pages else to
    if to in pages:
        return f'{attribute}="{relative(address(to), address(page))}{anchor}"'
    if (target / to).is_file():
        return f'{attribute}="{link}{anchor}"'
    if not (ROOT / to).exists():
        raise ValueError(f"{page} must link to what there is, got {link!r}.")
    if (ROOT / to).is_file():
        (target / to).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / to, target / to)
    return f'{attribute}="{link}{anchor}"'


def address(page: str) -> str:
    """Return where a Markdown file's page stands.

    >>> address("README.md"), address("docs/how-to/README.md"), address("docs/ledger.md")
    ('index.html', 'docs/how-to/index.html', 'docs/ledger.html')
    """
    return re.sub(r"README\.md$", "index.md", page).removesuffix(".md") + ".html"


def relative(to: str, place: str) -> str:
    """Return the link to one page that stands on another."""
    return posixpath.relpath(to, posixpath.dirname(place) or ".")


def name_of(page: str) -> str:
    """Return what a guide is called beside every page."""
    short = {"README.md": "Overview", "reference/README.md": "Reference"}
    return short.get(page) or (ROOT / page).read_text().split("\n", 1)[0].lstrip("# ")


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "docs").resolve()
    build(folder)
    print(f"{sum(1 for _ in folder.rglob('*.html'))} pages: {folder / 'index.html'}")
