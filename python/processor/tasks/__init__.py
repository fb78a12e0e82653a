"""The long-lived tasks, one file each; they receive their edges as arguments."""
