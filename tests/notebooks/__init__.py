"""What notebooks show, in a real kernel and a real browser, which have to be installed for it."""
