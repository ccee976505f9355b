"""What a server keeps of its calls on disk: sound, words, report and journal, within limits, until it is erased."""
