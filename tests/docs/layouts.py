"""What administrators have in /etc/asterisk before anybody heard of the bridge, one folder a kind of installation."""

from pathlib import Path

from lab import root
from lab.asterisk import PRODUCT_CONF
from lab.desks import pjsip

PHONES = ("100", "210", "024")

_WITNESS = """
[witness]
secret = witness
read = all
write = all
writetimeout = 5000
"""
_ADMIN = """
[admin]
secret = amp111
deny = 0.0.0.0/0.0.0.0
permit = 127.0.0.1/255.255.255.0
read = system,call,log,verbose,command,agent,user,config,dtmf,reporting,cdr,dialplan,originate
write = system,call,log,verbose,command,agent,user,config,dtmf,reporting,cdr,dialplan,originate
writetimeout = 5000
"""
_DIALPLAN = """
[from-internal]
exten => _XXX,1,Dial(PJSIP/${EXTEN},30,tT)
 same => n,Hangup()
"""
_QUEUES = """\
[400]
strategy = ringall
timeout = 30
joinempty = yes
member => PJSIP/210
"""


def write(layout: str, etc: Path) -> None:
    """Write the configuration of an installation: ``plain``, ``debian`` or ``freepbx``."""
    etc.mkdir()
    files = {
        "asterisk.conf": "[options]\n",
        "modules.conf": (PRODUCT_CONF / "modules.conf").read_text(),
        "logger.conf": "[logfiles]\nmessages = notice,warning,error\n",
        "musiconhold.conf": (PRODUCT_CONF / "musiconhold.conf").read_text(),
        "res_parking.conf": "[default]\nparkext = 70\nparkpos = 71-78\ncontext = parkedcalls\n",
        "queues.conf": _QUEUES,
        "pjsip.conf": pjsip({name: f'"Desk {name}" <{name}>' for name in PHONES}, "from-internal"),
        **{"plain": _plain, "debian": _debian, "freepbx": _freepbx}[layout](),
    }
    for name, text in files.items():
        (etc / name).parent.mkdir(exist_ok=True)
        (etc / name).write_text(text)


def _plain() -> dict[str, str]:
    """Somebody wrote it himself."""
    general = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nport = 5038\n"
    return {"manager.conf": general + _ADMIN + _WITNESS, "extensions.conf": _DIALPLAN}


def _debian() -> dict[str, str]:
    """The package's own manager.conf as it is installed: it includes manager.d; the dialplan is one's own."""
    stock = root.root(22) / "etc/asterisk"
    return {
        "manager.conf": (stock / "manager.conf").read_text(),
        "manager.d/admin.conf": _ADMIN + _WITNESS,
        "extensions.conf": _DIALPLAN,
    }


def _freepbx() -> dict[str, str]:
    """Generated files that include the administrator's ``*_custom.conf``, in FreePBX's order and with its names."""
    return {
        "manager.conf": "[general]\nenabled = yes\nport = 5038\nbindaddr = 127.0.0.1\ndisplayconnects = no\n"
        f"{_ADMIN}\n#include manager_additional.conf\n#include manager_custom.conf\n",
        "manager_additional.conf": _WITNESS,
        "manager_custom.conf": "",
        "extensions.conf": "#include extensions_override_freepbx.conf\n#include extensions_additional.conf\n"
        "#include extensions_custom.conf\n\n"
        "[from-internal]\ninclude => from-internal-custom\ninclude => from-internal-additional\n",
        "extensions_override_freepbx.conf": "",
        "extensions_additional.conf": "[from-internal-additional]\ninclude => ext-local\ninclude => ext-queues\n"
        "[ext-local]\nexten => _[012]XX,1,Dial(PJSIP/${EXTEN},30,tT)\n same => n,Hangup()\n"
        "exten => 210,hint,PJSIP/210\n"
        "[ext-queues]\nexten => 400,1,Answer()\n same => n,Queue(400,tT)\n same => n,Hangup()\n"
        "[from-queue]\nexten => _[012]XX,1,Dial(PJSIP/${EXTEN},30)\n same => n,Hangup()\n",
        "extensions_custom.conf": "[from-internal-custom]\n",
        "queues.conf": _QUEUES.replace("PJSIP/210", "Local/210@from-queue/n,0,Desk 210,hint:210@ext-local"),
    }
