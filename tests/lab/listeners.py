"""The end of a server that a test plays."""

import asyncio

_TURNS = 5
"""Of the event loop, until whoever was accepted just now is served: his transport, its beginning, and the task of it."""


async def stop_listening(server: asyncio.Server) -> None:
    """Accept nobody any more; but first let whoever was accepted in this moment begin.

    asyncio would lose him: a server that is closed takes no transport, and nobody closes his socket (seen with 3.11).
    """
    loop = asyncio.get_running_loop()
    for listener in server.sockets:
        loop.remove_reader(listener.fileno())
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    server.close()
