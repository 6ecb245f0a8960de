"""Takes from packets what says who and what: payload, addresses, options.

Addresses are scrambled so that prefixes stay together: two addresses that share n bits share n bits after (the scheme
of Crypto-PAn, with HMAC-SHA-256 as the keyed function). Private addresses stay in their private network and public
ones stay public, because the direction of a flow depends on it. Ports, lengths and times stay: they are the data.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import ipaddress
import struct

from reelsense_lab import truth

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NO_OPERATION = b"\x01"  # a TCP option without content
MAX_WALK = 64
ETHERNET_HEADER = bytes(12)


class Scrambler:
    def __init__(self, key: bytes) -> None:
        self._key = key
        self.address = functools.cache(self._address)

    def _address(self, text: str) -> str:
        address = ipaddress.ip_address(text)
        if address.is_multicast or address.is_unspecified or text == "255.255.255.255":
            return text
        for network in truth.PRIVATE:
            if address.version == network.version and address in network:
                return str(self._scramble(address, network.prefixlen))
        for _ in range(MAX_WALK):  # a public address must not become a private one: again from where it fell
            address = self._scramble(address, 0)
            if not truth.is_private(str(address)) and not address.is_multicast and not address.is_reserved:
                break
        return str(address)

    def _scramble(self, address: Address, kept_bits: int) -> Address:
        width, value, out = address.max_prefixlen, int(address), 0
        for bit in range(width):
            taken = value >> (width - 1 - bit) & 1
            if bit >= kept_bits:
                prefix = value >> (width - bit)
                digest = hmac.digest(self._key, f"{width}/{bit}/{prefix}".encode(), hashlib.sha256)
                taken ^= digest[0] & 1
            out = out << 1 | taken
        return ipaddress.IPv4Address(out) if width == 32 else ipaddress.IPv6Address(out)


def strip(ip: bytes, scrambler: Scrambler) -> tuple[bytes, int] | None:
    """An Ethernet frame with nothing but scrambled headers, and the bytes the whole one had on the wire.

    None for what is not an unfragmented TCP or UDP packet, or was cut inside its headers.
    """
    frame = ETHERNET_HEADER + (b"\x86\xdd" if ip and ip[0] >> 4 == 6 else b"\x08\x00") + ip
    packet = truth.parse(0, frame)
    if packet is None:
        return None
    source, destination = (
        ipaddress.ip_address(scrambler.address(end.ip)) for end in (packet.source, packet.destination)
    )
    if source.version == 4:
        header = struct.pack(">BBHHHBBH", 0x45, 0, packet.ip_bytes, 0, 0x4000, 64, ip[9], 0)
        transport = ip[(ip[0] & 0x0F) * 4 :]
        # IPv4 options are left out, so the length on the wire is kept by the total length alone.
        header += source.packed + destination.packed
    else:
        header = struct.pack(">IHBB", 6 << 28, packet.ip_bytes - 40, ip[6], 64) + source.packed + destination.packed
        transport = ip[40:]
    ether_type = b"\x86\xdd" if source.version == 6 else b"\x08\x00"
    return ETHERNET_HEADER + ether_type + header + _bare(transport, packet.protocol), 14 + packet.ip_bytes


def _bare(transport: bytes, protocol: str) -> bytes:
    if protocol == "udp":
        return transport[:6] + bytes(2)
    length = min(max(20, (transport[12] >> 4) * 4), len(transport))
    fixed = transport[:16] + bytes(4)  # without checksum and urgent pointer
    return fixed[: min(20, length)] + NO_OPERATION * max(0, length - 20)
