"""The telephones of a PBX that somebody set up before he heard of the bridge, as its pjsip.conf names them."""

from collections.abc import Mapping

_ALL = """\
[transport-udp]
type = transport
protocol = udp
bind = 127.0.0.1

[desk](!)
type = endpoint
context = {context}
allow = !all,ulaw
send_rpid = yes
rtp_symmetric = yes
rewrite_contact = yes
direct_media = no
"""
_DESK = """
[{name}](desk)
aors = {name}
auth = {name}
callerid = {shown}
[{name}]
type = auth
username = {name}
password = change-me
[{name}]
type = aor
max_contacts = 1
remove_existing = yes
"""


def pjsip(desks: Mapping[str, str], context: str) -> str:
    """Write pjsip.conf.

    Args:
        desks: What each telephone shows of itself (``"Name" <number>``), by its endpoint's name.
        context: Where in the dialplan their calls begin.
    """
    return _ALL.format(context=context) + "".join(
        _DESK.format(name=name, shown=shown) for name, shown in desks.items()
    )
