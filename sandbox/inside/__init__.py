"""Code that runs inside the sandbox. It imports only the standard library and this package.

The sources are sent to the zygote over a socket, so nothing here may import from outside this folder.
"""
