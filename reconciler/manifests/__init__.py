"""From manifests to desired state: the first of the two doors.

The street: ``files`` finds and reads them, ``text`` and ``documents`` make YAML into text with places,
``declaration`` makes one document into an account, ``desired`` holds all of them together.
"""
