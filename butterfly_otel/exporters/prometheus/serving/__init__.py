"""From a request to a response: choosing the format, WSGI, ASGI, and the server of our own.

What a client may do, how long and how often, is settled here. It imports
:mod:`..writing` and what is below that.
"""
