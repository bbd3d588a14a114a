"""What can go wrong between the bridge and the PBX, as one family.

AmiError
  LinkDown   there is no connection, or it was lost while waiting
  NoAnswer   the link lives, but this action got no answer in time
  Refused    Asterisk answered, and the answer is no
"""


class AmiError(Exception):
    """The PBX could not be asked, or said no."""


class LinkDown(AmiError):
    """Not connected, or the connection was lost before the answer; the text says why, fit for a 503."""


class NoAnswer(AmiError):
    """The link lives, but Asterisk did not answer this action in time."""


class Refused(AmiError):
    """Asterisk answered ``Response: Error``.

    Attributes:
        message: Asterisk's own words, such as ``Extension does not exist.``.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
