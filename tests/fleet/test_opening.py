"""A device believes what a gateway of its bank has signed for this session, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from xfs4iot.fleet.opening import GATEWAY, Authorities, Forged, Opening, Signer
from xfs4iot.transport.certificates import test_authority as authority_in

OPENING = Opening(
    device="atm17",
    epoch=3,
    gateway="gw",
    sid="sid",
    path="/xfs4iot/v1.0/CashDispenser",
    host="gw.example",
    base="wss://gw.example:443/xfs4iot/v1.0/atm17",
    address="10.0.0.7:5000",
    rule="",
    permitted=("Common.Status",),
    subject="CN=switch",
    sans=("switch.example",),
    fingerprint="ab" * 32,
)


def signer(directory: Path, *sans: str) -> Signer:
    return Signer(*authority_in(directory).issue_client("gateway", sans))


def test_what_a_gateway_signed_is_believed(tmp_path: Path) -> None:
    body = OPENING.encode(signer(tmp_path, GATEWAY))
    found = Opening.decode(body, Authorities(tmp_path / "ca.pem"))
    assert found == OPENING
    assert found.identity is not None
    assert found.identity.sans == ("switch.example",)


def test_what_was_changed_on_the_way_is_not(tmp_path: Path) -> None:
    said = json.loads(OPENING.encode(signer(tmp_path, GATEWAY)))
    said["opening"] = json.loads(replace(OPENING, subject="CN=admin").encode(None))["opening"]
    with pytest.raises(Forged, match="signature"):
        Opening.decode(json.dumps(said).encode(), Authorities(tmp_path / "ca.pem"))


def test_a_gateway_of_another_authority_is_not(tmp_path: Path) -> None:
    body = OPENING.encode(signer(tmp_path / "one", GATEWAY))
    authority_in(tmp_path / "other")
    with pytest.raises(Forged, match="authority"):
        Opening.decode(body, Authorities(tmp_path / "other" / "ca.pem"))


def test_a_client_of_the_same_authority_is_no_gateway(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a gateway's"):
        signer(tmp_path)
    body = json.loads(OPENING.encode(signer(tmp_path, GATEWAY)))
    client, _ = authority_in(tmp_path).issue_client("application")
    body["certificates"] = client.read_text()
    with pytest.raises(Forged, match="no gateway"):
        Opening.decode(json.dumps(body).encode(), Authorities(tmp_path / "ca.pem"))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"opening": 1}', b"\xff"])
def test_what_is_not_signed_is_not(body: bytes, tmp_path: Path) -> None:
    authority_in(tmp_path)
    with pytest.raises(Forged):
        Opening.decode(body, Authorities(tmp_path / "ca.pem"))
