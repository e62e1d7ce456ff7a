"""Settings: arguments and environment variables to one frozen Config."""
