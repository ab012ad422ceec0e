"""Types, rules and ports. Pure: nothing here waits, guesses or looks at the world."""
