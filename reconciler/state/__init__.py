"""Known state, the journal and the lock: the store's protocol and its backends."""
