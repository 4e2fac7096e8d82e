"""The loop: epochs, edits between them, and a record from which any moment can be restored."""
