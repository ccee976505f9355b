"""The error a person at a terminal can mend: one clear line per problem, no traceback."""


class OperatorError(Exception):
    """Something is wrong with what was asked or with this machine; every line says what is wrong and what to do."""

    def __init__(self, *problems: str) -> None:
        """Takes one line per problem, at least one; what a file slipped in that cannot be printed is shown escaped."""
        self.problems = tuple("".join(map(_shown, problem)) for problem in problems)
        super().__init__("\n".join(self.problems))


def _shown(sign: str) -> str:
    return sign if sign.isprintable() else ascii(sign)[1:-1]
