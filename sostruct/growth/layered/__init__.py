"""Rules for layered networks: where units are added, and which units and connections go. One file per idea."""
