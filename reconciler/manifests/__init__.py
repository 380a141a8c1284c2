"""From manifests to desired state: the first of the two doors.

The street: ``files`` finds and reads them, ``text`` and ``documents`` make YAML into text with places,
``declaration`` makes one document into an account, ``desired`` holds all of them together.

The street for a million of them: ``quickrows`` and ``rows`` make a file into compact rows, in any process
(``spread``); ``loading`` brings the ``cache`` up to date with the files that changed, ``fleet`` is all of it,
``settled`` what was found out about it, ``rebuilding`` the way from a row back to its account.
"""
