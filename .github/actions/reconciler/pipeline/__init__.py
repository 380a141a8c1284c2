"""What the workflows do besides running ``reconciler``: comments, labels, artifacts and issues of the forge.

Each step of a workflow is one command of this package (see `pipeline.__main__`), which takes what it needs from
variables. It is no part of the ``reconciler`` package: nothing there knows of a forge.
"""
