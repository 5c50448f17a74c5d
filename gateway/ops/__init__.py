"""What an operator runs: setting up, checking, mending. Called by `gateway.cli`, one module an act."""
