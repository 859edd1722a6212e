"""Bytes on their way from one part to the next."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing


def closed_after(chunks: AsyncIterator[bytes]) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
    """Close a stream of chunks at the end of the block, used up or not, so that what feeds it lets go of its files.

    Streams are passed on as iterators; each is made by an async generator, which is what can be closed.
    """
    return aclosing(chunks)  # type: ignore[type-var]  # see above
