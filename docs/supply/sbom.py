"""The software bill of materials: everything that planner runs on, as CycloneDX JSON.

``python -m docs.supply.sbom FILE`` writes it (``make sbom`` does). It is made from the lock and the page of
licences, not from what happens to be installed, and holds no address: the same commit yields the same bytes
anywhere. Its time is SOURCE_DATE_EPOCH, or left out; its serial number is made from what it says.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from docs.supply import licences
from docs.supply.lock import Locked, Runtime, read

_SPACE = uuid.uuid5(uuid.NAMESPACE_OID, "planner sbom")


def document(found: Runtime, licence_of: Mapping[str, str], epoch: int | None = None) -> str:
    """The bill as text.

    Args:
        found: what planner runs on.
        licence_of: package to licence, as SPDX.
        epoch: seconds since 1970, its time; None leaves the time out.
    """
    components = {each.name: _component(each, licence_of[each.name]) for each in found.packages}
    root = Component(
        name=found.name,
        version=found.version,
        type=ComponentType.APPLICATION,
        bom_ref=found.name,
        purl=PackageURL("pypi", None, found.name, found.version),
        licenses=[LicenseFactory().make_from_string(found.licence)],
    )
    when = None if epoch is None else datetime.fromtimestamp(epoch, UTC)
    bom = Bom(components=components.values(), metadata=BomMetaData(component=root, timestamp=when))
    bom.register_dependency(root, [components[name] for name in found.needs])
    for each in found.packages:
        bom.register_dependency(components[each.name], [components[name] for name in each.needs])
    said: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    if epoch is None:
        del said["metadata"]["timestamp"]
    del said["serialNumber"]
    serial = uuid.uuid5(_SPACE, json.dumps(said, sort_keys=True))
    return json.dumps({**said, "serialNumber": f"urn:uuid:{serial}"}, indent=2, sort_keys=True) + "\n"


def _component(package: Locked, licence: str) -> Component:
    # A package has many files, and an installation takes one of them: each has its own hash. A file is
    # named by its package URL: where it is fetched from is the machine's own matter.
    files = [
        ExternalReference(
            type=ExternalReferenceType.DISTRIBUTION,
            url=XsUri(_purl(package, file_name=name).to_string()),
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
        )
        for name, digest in package.files
    ]
    return Component(
        name=package.name,
        version=package.version,
        bom_ref=f"{package.name}@{package.version}",
        scope=ComponentScope.OPTIONAL if package.extras else ComponentScope.REQUIRED,
        purl=_purl(package),
        licenses=[LicenseFactory().make_from_string(licence)],
        external_references=files,
        properties=[Property(name="planner:extra", value=extra) for extra in package.extras],
    )


def _purl(package: Locked, **qualifiers: str) -> PackageURL:
    return PackageURL("pypi", None, package.name, package.version, qualifiers)


def main(path: Path) -> None:
    """Write the bill of this checkout."""
    found = read()
    known = licences.written(licences.PAGE.read_text("utf-8"))
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        of = {each.name: known[each.name, each.version] for each in found.packages}
    except KeyError as missing:
        name, version = missing.args[0]
        sys.exit(f"error: {licences.PAGE.name} does not have {name} {version}\n       next: run `make docs`")
    text = document(found, of, int(epoch) if epoch else None)
    path.write_text(text, encoding="utf-8")
    sys.stdout.write(f"Wrote {path.name}: {len(found.packages)} packages.\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004
        sys.exit("usage: python -m docs.supply.sbom FILE")
    main(Path(sys.argv[1]))
