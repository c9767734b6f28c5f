"""The one exception for mistakes a user can make and mend: shown without a traceback, exit code 2."""


class UserError(Exception):
    """Something in a spec, a file or on the command line is wrong.

    The message is what the user reads, on at most one screen: where (file and field path), the value found,
    what was expected, and the nearest valid name or the command that helps.
    """
