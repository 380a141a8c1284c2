"""What holds for every test, wherever the tests were started from."""

import signal

# A shell starts what it puts into the background with Ctrl-C ignored, and so do some CI runners; every command that a
# test starts would inherit that, and never end by the signal that the test sends.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
