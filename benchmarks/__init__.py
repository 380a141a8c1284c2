"""What planning costs, measured through the real command line: ``make bench``.

The street: ``fleet`` writes manifests and the known state behind them, ``processes`` runs a command and weighs it,
``parts`` says what is measured in turns with what, ``peers`` does the same kind of work with octoDNS and Terraform,
``results`` keeps what was measured, ``aims`` judges it, ``chart`` and ``page`` show it.
"""
