"""One self-contained HTML page of a finished call, made from its journal, its report and its recording."""
