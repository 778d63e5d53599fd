"""Search tokens as rows, and the one ranking that server and phones share."""
