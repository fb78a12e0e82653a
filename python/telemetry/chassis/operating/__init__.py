"""What the operators' commands of every service need: the way to its running instances, and their answers."""
