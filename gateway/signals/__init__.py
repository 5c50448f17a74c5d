"""What an operator sees of the gateway from outside: numbers and logs. Everything may use it, and it uses nothing."""
