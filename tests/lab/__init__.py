"""The lab: a real Asterisk, real softphones, and a company of others that is always there."""

from lab.ami import Ami, Message
from lab.asterisk import AmiLogin, Asterisk, ChannelRow
from lab.floor import Lab
from lab.phone import Phone, PhoneCall, PhoneError
from lab.ports import free_port, until
from lab.proxy import AmiProxy
from lab.root import LabUnavailableError, unavailable
from lab.service import Bridge, run_command

__all__ = [
    "Ami",
    "AmiLogin",
    "AmiProxy",
    "Asterisk",
    "Bridge",
    "ChannelRow",
    "Lab",
    "LabUnavailableError",
    "Message",
    "Phone",
    "PhoneCall",
    "PhoneError",
    "free_port",
    "run_command",
    "unavailable",
    "until",
]
