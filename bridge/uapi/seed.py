"""The examples of the seed's page, as the OpenAPI shows them."""

import json
from typing import Any

PICKUP: dict[str, Any] = {
    "action": "PickUp",
    "sendCallTo": "0003*024",
    "callerId": "John Doe <42420042>",
    "waitForPickup": "20",
    "phoneCallViewId": "01",
}

UNPARK: dict[str, Any] = {
    "action": "UnPark",
    "sendCallTo": "0003*024",
    "waitForPickup": "20",
    "phoneCallViewId": "00",
}

_LINK = {"self": "https://x.x.x.x/uapi/phoneCalls/12/0003*210/b817d2618fe6f1804333"}

ACCEPTED: dict[str, Any] = {
    "id": "b817d2618fe6f1804333",
    "extension": "0003*210",
    "link": _LINK,
    "links": _LINK,
}

CALL: dict[str, Any] = {
    "id": "b817d2618fe6f1804333",
    "extension": "0003*210",
    "ownerId": "3",
    "ownerName": "Default Organization",
    "answered": "2012-06-27T16:08:55+02:00",
    "published": "2012-06-27T16:08:50+02:00",
    "phoneCallView": [
        {
            "id": "01",
            "extension": "0003*024",
            "answered": "2012-06-27T16:08:55+02:00",
            "status": "5",
            "callerId": "John Doe <3334444>",
            "source": ["3334444"],
            "destination": ["0003*210"],
            "flow": "8",
            "pickUp": {"from": "0003*210", "sendCallTo": "0003*024", "status": "connected"},
        }
    ],
    "link": _LINK,
    "links": _LINK,
}

COLLECTION: dict[str, Any] = {
    "entry": [CALL],
    "totalResults": 1,
    "itemsPerPage": 20,
    "startIndex": 0,
    "paging": {},
}

SINGLE: dict[str, Any] = {**CALL, **COLLECTION}

EVENTS = f"""id: 5f0c1d2e-41
event: snapshot
data: {json.dumps({"entry": [], "totalResults": 0, "missed": False})}

id: 5f0c1d2e-42
event: added
data: {json.dumps(CALL)}

"""
"""How a stream may begin; the events are our own."""
