"""What the documentation site needs beyond mkdocs.yml: folders in the navigation, and no page that needs a network."""

import re
from pathlib import Path

from mkdocs.exceptions import PluginError

# What a browser fetches without being asked to; a link that somebody may click is none.
FETCHED = re.compile(
    r"<(?:script|img|link|iframe|source)\b[^>]*\b(?:src|href)=[\"']?(?:https?:)?//[^>]*>"
)


def on_config(config):
    config.nav = [expanded(item, Path(config.docs_dir)) for item in config.nav]
    return config


def expanded(item, docs):
    """The item of the navigation; a path that ends in `/` as the list of the pages in that folder, the index first."""
    if isinstance(item, dict):
        return {title: expanded(value, docs) for title, value in item.items()}
    if isinstance(item, list):
        return [expanded(value, docs) for value in item]
    if item.endswith("/"):
        pages = sorted(
            (docs / item).glob("*.md"), key=lambda page: (page.name != "README.md", page.name)
        )
        return [page.relative_to(docs).as_posix() for page in pages]
    return item


def on_post_page(output, page, config):
    if fetched := FETCHED.search(output):
        raise PluginError(f"{page.file.src_uri} needs a network for {fetched.group()}")
    return output
