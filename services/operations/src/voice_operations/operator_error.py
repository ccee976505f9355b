"""The error a person at a terminal can mend: one clear line per problem, no traceback."""


class OperatorError(Exception):
    """Something is wrong with what was asked or with this machine; every line says what is wrong and what to do."""

    def __init__(self, *problems: str) -> None:
        """Takes one line per problem, at least one."""
        super().__init__("\n".join(problems))
        self.problems = problems
