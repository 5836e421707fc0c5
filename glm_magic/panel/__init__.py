"""The face beside the cells: the chat panel."""
