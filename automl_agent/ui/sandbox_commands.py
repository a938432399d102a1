"""`automl-agent sandbox`: the image in which steps run."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from automl_agent.cards.documents import escape_unseen
from automl_agent.sandboxes.docker.engine import open_engine
from automl_agent.sandboxes.image.base import DEFAULT_MIRROR, find_base, make_base
from automl_agent.sandboxes.image.build import (
    DEFAULT_BASE,
    MAX_SIZE_MIB,
    BuiltImage,
    Variant,
    build_image,
    find_image,
    image_name,
)
from automl_agent.sandboxes.image.site_settings import SiteSettings, site_settings
from automl_agent.ui.options import output_format, print_json
from automl_agent.ui.sandbox_test_command import test

if TYPE_CHECKING:
    from automl_agent.cards.model_card import Requirement

ROOTFS = "rootfs"


@dataclass(frozen=True)
class Wishes:
    """What a person says about a build on the command line."""

    base: str
    variant: Variant
    mirror: str
    ca: Path | None
    index: str | None
    extra_indexes: tuple[str, ...]
    wheel_folders: tuple[Path, ...]
    fresh: bool

    def apply(self, settings: SiteSettings) -> SiteSettings:
        """The settings of the site, with what the person says on top."""
        return replace(
            settings,
            ca=self.ca or settings.ca,
            index=self.index or settings.index,
            has_index=settings.has_index or bool(self.index),
            extra_indexes=(*settings.extra_indexes, *self.extra_indexes),
            wheel_folders=(*settings.wheel_folders, *self.wheel_folders),
        )


@click.group()
def sandbox() -> None:
    """Build and test the Docker sandbox."""


sandbox.add_command(test)


@sandbox.command()
@click.option(
    "--base",
    default=DEFAULT_BASE,
    show_default=True,
    metavar="IMAGE",
    help=f"An image with Python 3.11; {ROOTFS}: made here with debootstrap, without a registry.",
)
@click.option(
    "--variant",
    type=click.Choice(get_args(Variant)),
    default="cpu",
    show_default=True,
    help="gpu: with the NVIDIA libraries that packages ask for.",
)
@click.option(
    "--ca",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Your site's certificates, PEM. Default: what pip and the environment name.",
)
@click.option("--index", metavar="URL", help="A package index. Default: pip's settings.")
@click.option("--extra-index", "extra_indexes", multiple=True, metavar="URL", help="One more.")
@click.option(
    "--wheels",
    "wheel_folders",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of wheels; those that are needed are taken.",
)
@click.option(
    "--mirror",
    default=DEFAULT_MIRROR,
    show_default=True,
    metavar="URL",
    help=f"A Debian mirror, for --base {ROOTFS}.",
)
@click.option("--fresh", is_flag=True, help="Build also what is there already.")
@output_format
def build(output_format: str, **options: Any) -> None:
    """Build the image with all that the installed experts need."""
    from automl_agent.installed_requirements import installed_requirements

    wishes = Wishes(**options)
    requirements = installed_requirements()
    present = None if wishes.fresh else _find_present(image_name(requirements, wishes.variant))
    image = present or _build(requirements, wishes)
    size_mib = round(image.size_bytes / 2**20)
    if size_mib > MAX_SIZE_MIB[wishes.variant]:
        _say(f"Warning: more than {MAX_SIZE_MIB[wishes.variant]} MiB; uninstall unused plugins.")
    if output_format == "json":
        print_json(
            {
                "name": image.name,
                "image_id": image.image_id,
                "size_mib": size_mib,
                "seconds": round(image.seconds, 1),
                "built": present is None,
            }
        )
        return
    duration = f"built in {image.seconds:.0f} s" if image is not present else "was there already"
    click.echo(f"{image.name}  {size_mib} MiB, {duration}")


def _find_present(name: str) -> BuiltImage | None:
    with closing(open_engine()) as client:
        return find_image(client, name)


def _build(requirements: "Sequence[Requirement]", wishes: Wishes) -> BuiltImage:
    settings = wishes.apply(site_settings())
    base = wishes.base
    if base == ROOTFS:
        base = (None if wishes.fresh else find_base()) or make_base(
            mirror=wishes.mirror, ca=settings.ca, on_line=_say
        )
    return build_image(requirements, wishes.variant, base=base, on_line=_say, settings=settings)


def _say(line: str) -> None:
    click.echo(escape_unseen(line), err=True)
